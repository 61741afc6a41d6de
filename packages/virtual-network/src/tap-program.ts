/**
 * The coprocess that holds a TAP device open: Node can open /dev/net/tun, but not issue the ioctl that makes it a network
 * device. It needs only perl-base. Frames go over its standard streams, each behind four bytes of length; the name of the
 * device goes to standard error, as "ready NAME", and so does what is wrong, as one line. It ends with its input.
 *
 * Arguments: name ("" lets the kernel choose), 1 to bring the device up, most bytes of a frame.
 * Numbers: linux/if_tun.h, linux/sockios.h, linux/if.h.
 */
export const TAP_PROGRAM = String.raw`
use strict;
use Errno qw(EAGAIN EINTR);
use Fcntl;
my ($name, $up, $most) = @ARGV;
my $TUNSETIFF = 0x400454ca;
my ($SIOCGIFFLAGS, $SIOCSIFFLAGS) = (0x8913, 0x8914);
my ($IFF_TAP, $IFF_NO_PI, $IFF_UP) = (2, 0x1000, 1);
my $HIGH = 1 << 19;

sub fail { print STDERR "@_\n"; exit 1 }

sysopen(my $tap, "/dev/net/tun", O_RDWR) or fail("/dev/net/tun cannot be opened: $!");
my $request = pack("a16 S x22", $name, $IFF_TAP | $IFF_NO_PI);
ioctl($tap, $TUNSETIFF, $request) or fail("the TAP device cannot be made (it takes root or CAP_NET_ADMIN): $!");
$name = unpack("Z16", $request);
if ($up) {
  socket(my $control, 2, 2, 0) or fail("no socket to bring $name up: $!");
  my $flags = pack("a16 S x22", $name, 0);
  ioctl($control, $SIOCGIFFLAGS, $flags) or fail("the flags of $name cannot be read: $!");
  $flags = pack("a16 S x22", $name, unpack("x16 S", $flags) | $IFF_UP);
  ioctl($control, $SIOCSIFFLAGS, $flags) or fail("$name cannot be brought up: $!");
}
for my $handle ($tap, \*STDIN, \*STDOUT) {
  binmode($handle);
  fcntl($handle, F_SETFL, fcntl($handle, F_GETFL, 0) | O_NONBLOCK);
}
syswrite(STDERR, "ready $name\n");

sub gone { my $error = shift; return !defined $error && $! != EAGAIN && $! != EINTR }

my ($in, $out) = ("", "");
my ($tap_bit, $in_bit, $out_bit) = (fileno($tap), fileno(STDIN), fileno(STDOUT));
while (1) {
  my ($reads, $writes) = ("", "");
  vec($reads, $in_bit, 1) = 1;
  vec($reads, $tap_bit, 1) = 1 if length($out) < $HIGH;
  vec($writes, $out_bit, 1) = 1 if length($out) > 0;
  next if select($reads, $writes, undef, undef) < 0;
  if (vec($reads, $in_bit, 1)) {
    my $got = sysread(STDIN, $in, 65536, length($in));
    fail("standard input: $!") if gone($got);
    exit 0 if defined $got && $got == 0;
    my $at = 0;
    while (length($in) - $at >= 4) {
      my $length = unpack("N", substr($in, $at, 4));
      fail("a frame of $length bytes") if $length > $most;
      last if length($in) - $at < 4 + $length;
      # A device that is down, or has no room, drops the frame, as a cable would.
      syswrite($tap, $in, $length, $at + 4);
      $at += 4 + $length;
    }
    substr($in, 0, $at) = "" if $at > 0;
  }
  if (vec($reads, $tap_bit, 1)) {
    for (1 .. 64) {
      my $got = sysread($tap, my $frame, $most);
      fail("$name is gone: $!") if gone($got);
      last unless $got;
      $out .= pack("N", $got) . $frame;
      last if length($out) >= $HIGH;
    }
  }
  if (length($out) > 0) {
    my $put = syswrite(STDOUT, $out);
    exit 0 if gone($put);
    substr($out, 0, $put) = "" if $put;
  }
}
`;
