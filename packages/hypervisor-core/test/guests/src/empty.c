#include "guest.h"
void test_main(void) { report("hello", 5); EXPECT(1+1, 2); }
