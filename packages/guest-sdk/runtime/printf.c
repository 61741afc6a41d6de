/* printf without floating point. */
#include "runtime.h"

struct sink {
    char *at, *end;
    size_t total;
};

static void put(struct sink *sink, char c)
{
    if (sink->at < sink->end) *sink->at++ = c;
    sink->total++;
}

struct spec {
    int left, zero, plus, alternate, width, precision;
};

static void put_field(struct sink *sink, const struct spec *spec, const char *prefix, const char *digits, int count)
{
    int zeros = spec->precision > count ? spec->precision - count : 0;
    int padding = spec->width - count - zeros - (int)strlen(prefix);
    if (spec->zero && !spec->left && spec->precision < 0) {
        if (padding > 0) zeros += padding;
        padding = 0;
    }
    for (; !spec->left && padding > 0; padding--) put(sink, ' ');
    while (*prefix) put(sink, *prefix++);
    while (zeros-- > 0) put(sink, '0');
    while (count-- > 0) put(sink, *digits++);
    for (; padding > 0; padding--) put(sink, ' ');
}

/** Divides by a small number; the remainder. In two steps of 32 bits, since 32-bit guests have no library for 64. */
static unsigned divide(uint64_t *value, unsigned by)
{
    uint32_t high = *value >> 32, low = *value, rest = high % by;
    high /= by;
    asm("divl %2" : "+a"(low), "+d"(rest) : "r"(by));
    *value = (uint64_t)high << 32 | low;
    return rest;
}

static void put_number(struct sink *sink, const struct spec *spec, uint64_t value, int negative, char kind)
{
    const char *symbols = kind == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    unsigned base = kind == 'd' || kind == 'u' ? 10 : 16;
    char text[24];
    int at = sizeof text;
    const char *prefix = negative ? "-" : spec->plus ? "+" : spec->alternate && base == 16 ? "0x" : "";
    do text[--at] = symbols[divide(&value, base)];
    while (value);
    put_field(sink, spec, prefix, text + at, (int)sizeof text - at);
}

static void put_text(struct sink *sink, struct spec *spec, const char *text)
{
    int count = 0;
    if (!text) text = "(null)";
    while ((spec->precision < 0 || count < spec->precision) && text[count]) count++;
    spec->precision = -1;
    spec->zero = 0;
    put_field(sink, spec, "", text, count);
}

static uint64_t next_number(va_list *arguments, int width, int is_signed)
{
    if (width >= 2) return va_arg(*arguments, uint64_t);
    if (width == 1 && is_signed) return va_arg(*arguments, long);
    if (width == 1) return va_arg(*arguments, unsigned long);
    unsigned value = va_arg(*arguments, unsigned);
    if (width == -1) value = is_signed ? (unsigned)(short)value : (unsigned short)value;
    if (width == -2) value = is_signed ? (unsigned)(signed char)value : (unsigned char)value;
    return is_signed ? (uint64_t)(int)value : value;
}

static int number(const char **at, va_list *arguments)
{
    int value = 0;
    if (**at == '*') {
        (*at)++;
        return va_arg(*arguments, int);
    }
    while (**at >= '0' && **at <= '9') value = value * 10 + *(*at)++ - '0';
    return value;
}

static void put_conversion(struct sink *sink, struct spec *spec, char kind, int width, va_list *arguments)
{
    uint64_t value;
    char c;
    switch (kind) {
    case 'd':
    case 'i':
        value = next_number(arguments, width, 1);
        if ((int64_t)value < 0) put_number(sink, spec, -value, 1, 'd');
        else put_number(sink, spec, value, 0, 'd');
        return;
    case 'u':
    case 'x':
    case 'X':
        spec->plus = 0;
        put_number(sink, spec, next_number(arguments, width, 0), 0, kind);
        return;
    case 'p':
        spec->alternate = 1;
        put_number(sink, spec, (unsigned long)va_arg(*arguments, void *), 0, 'x');
        return;
    case 's': put_text(sink, spec, va_arg(*arguments, const char *)); return;
    case 'c':
        c = (char)va_arg(*arguments, int);
        spec->precision = -1;
        put_field(sink, spec, "", &c, 1);
        return;
    default: put(sink, kind);
    }
}

int vsnprintf(char *buffer, size_t size, const char *format, va_list list)
{
    struct sink sink = { buffer, size ? buffer + size - 1 : buffer, 0 };
    va_list arguments;
    va_copy(arguments, list);
    for (; *format; format++) {
        struct spec spec = { .precision = -1 };
        int width = 0;
        if (*format != '%') {
            put(&sink, *format);
            continue;
        }
        for (format++;; format++) {
            if (*format == '-') spec.left = 1;
            else if (*format == '0') spec.zero = 1;
            else if (*format == '+') spec.plus = 1;
            else if (*format == '#') spec.alternate = 1;
            else break;
        }
        spec.width = number(&format, &arguments);
        if (*format == '.') {
            format++;
            spec.precision = number(&format, &arguments);
        }
        for (;; format++) {
            if (*format == 'l' || *format == 'z') width++;
            else if (*format == 'h') width--;
            else break;
        }
        if (!*format) break;
        put_conversion(&sink, &spec, *format, width, &arguments);
    }
    va_end(arguments);
    if (size) *sink.at = 0;
    return (int)sink.total;
}

int snprintf(char *buffer, size_t size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int count = vsnprintf(buffer, size, format, arguments);
    va_end(arguments);
    return count;
}

/* The longest line that is printed at once; what is beyond it is cut. */
#define LINE_SIZE 1024

int vprintf(const char *format, va_list arguments)
{
    char line[LINE_SIZE];
    int count = vsnprintf(line, sizeof line, format, arguments);
    console_write(line, count < LINE_SIZE ? count : LINE_SIZE - 1);
    return count;
}

int printf(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int count = vprintf(format, arguments);
    va_end(arguments);
    return count;
}
