/* io net NAME MODE ADDRESS PORT PASS MILLISECONDS ROUNDS: moves bytes to or from a server, or asks it for echoes.

   MODE: send or receive (a pass is PASS bytes over TCP, with an answer at the end), tcp-echo or udp-echo (a pass is PASS
   round trips of 64 bytes, one at a time). io serve PORT is such a server for TCP; src/traffic-server.ts is another.

   A connection carries passes, each with a header of its own: mode and unused, 32 bits each, and the count, 64 bits, all
   little-endian. Bytes follow a pattern of 64 KiB that starts anew with each pass, and are compared with it. */
#define _GNU_SOURCE
#include "io.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { PATTERN_BYTES = 65536, MESSAGE_BYTES = 64, CONNECT_TRIES = 600, CONNECT_PAUSE_US = 100000, DATAGRAM_TRIES = 5 };
enum { MODE_SEND = 1, MODE_RECEIVE = 2, MODE_ECHO = 3 };

struct header {
  uint32_t mode, unused;
  uint64_t count;
};

struct net {
  int fd;
  uint32_t mode, sequence;
  uint64_t count;
};

static union {
  uint8_t bytes[PATTERN_BYTES];
  uint32_t words[PATTERN_BYTES / 4];
} pattern;
static uint8_t buffer[PATTERN_BYTES];

static void make_pattern(void) {
  for (uint32_t i = 0; i < PATTERN_BYTES / 4; i++) pattern.words[i] = (i + 1) * 0x9e3779b1u;
}

/* Nothing waits for ever: a peer that has gone silent is a failure. */
static void set_limits(int fd, unsigned seconds) {
  struct timeval limit = {.tv_sec = seconds};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

static void write_all(int fd, const void *data, size_t size) {
  for (size_t done = 0; done < size;) {
    ssize_t sent = send(fd, (const uint8_t *)data + done, size - done, MSG_NOSIGNAL);
    if (sent <= 0) fail("send");
    done += (size_t)sent;
  }
}

/* 0: the other side has closed before the first byte. */
static int read_all(int fd, void *data, size_t size) {
  for (size_t done = 0; done < size;) {
    ssize_t got = recv(fd, (uint8_t *)data + done, size - done, MSG_WAITALL);
    if (got == 0 && done == 0) return 0;
    if (got == 0) fail_check("the connection ended in the middle");
    if (got < 0) fail("recv");
    done += (size_t)got;
  }
  return 1;
}

static void must_read(int fd, void *data, size_t size) {
  if (!read_all(fd, data, size)) fail_check("the connection ended");
}

static void send_pattern(int fd, uint64_t count) {
  for (uint64_t done = 0, part; done < count; done += part) {
    part = count - done < PATTERN_BYTES ? count - done : PATTERN_BYTES;
    write_all(fd, pattern.bytes, part);
  }
}

/* Answers how many bytes came in parts that were as they should be. */
static uint64_t receive_pattern(int fd, uint64_t count) {
  uint64_t good = 0;
  for (uint64_t done = 0, part; done < count; done += part) {
    part = count - done < PATTERN_BYTES ? count - done : PATTERN_BYTES;
    must_read(fd, buffer, part);
    if (memcmp(buffer, pattern.bytes, part) == 0) good += part;
  }
  return good;
}

static uint64_t send_pass(void *job) {
  struct net *net = job;
  struct header header = {MODE_SEND, 0, net->count};
  uint64_t good;
  write_all(net->fd, &header, sizeof header);
  send_pattern(net->fd, net->count);
  must_read(net->fd, &good, sizeof good);
  if (good != net->count) fail_check("the server received other bytes than were sent");
  return net->count;
}

static uint64_t receive_pass(void *job) {
  struct net *net = job;
  struct header header = {MODE_RECEIVE, 0, net->count};
  write_all(net->fd, &header, sizeof header);
  if (receive_pattern(net->fd, net->count) != net->count) fail_check("other bytes arrived than the server sends");
  return net->count;
}

static uint64_t tcp_echo_pass(void *job) {
  struct net *net = job;
  struct header header = {MODE_ECHO, 0, net->count};
  uint8_t message[MESSAGE_BYTES], answer[MESSAGE_BYTES];
  write_all(net->fd, &header, sizeof header);
  memcpy(message, pattern.bytes, sizeof message);
  for (uint64_t trip = 0; trip < net->count; trip++) {
    memcpy(message, &trip, sizeof trip);
    write_all(net->fd, message, sizeof message);
    must_read(net->fd, answer, sizeof answer);
    if (memcmp(message, answer, sizeof message)) fail_check("the echo is another");
  }
  return net->count;
}

/* A datagram may be lost and is sent again; what comes late is passed over. */
static uint64_t udp_echo_pass(void *job) {
  struct net *net = job;
  uint8_t message[MESSAGE_BYTES], answer[MESSAGE_BYTES + 1];
  memcpy(message, pattern.bytes, sizeof message);
  for (uint64_t trip = 0; trip < net->count; trip++) {
    net->sequence++;
    memcpy(message, &net->sequence, sizeof net->sequence);
    for (int tries = 0;; tries++) {
      if (tries == DATAGRAM_TRIES) fail_check("no echo came");
      if (send(net->fd, message, sizeof message, 0) != sizeof message && errno != ECONNREFUSED) fail("send");
      ssize_t got;
      do got = recv(net->fd, answer, sizeof answer, 0);
      while (got == sizeof message && memcmp(answer, message, sizeof net->sequence));
      if (got == sizeof message && memcmp(answer, message, sizeof message) == 0) break;
      if (got >= 0) fail_check("the echo is another");
      if (errno != EAGAIN && errno != ECONNREFUSED) fail("recv");
    }
  }
  return net->count;
}

static int connect_to(int type, const char *address, uint16_t port) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
  if (inet_pton(AF_INET, address, &to.sin_addr) != 1) fail_check("that is no IPv4 address");
  for (int tries = 0;; tries++) {
    int fd = socket(AF_INET, type, 0);
    if (fd < 0) fail("socket");
    set_limits(fd, 2);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0) {
      if (type == SOCK_STREAM) set_limits(fd, 60);
      return fd;
    }
    /* The device may still be on its way to its backend, and the other guest still boot. */
    if (tries == CONNECT_TRIES) fail("connect");
    close(fd);
    usleep(CONNECT_PAUSE_US);
  }
}

int net_main(int argc, char **argv) {
  static const struct {
    const char *name;
    int type;
    uint64_t (*pass)(void *job);
  } modes[] = {
      {"send", SOCK_STREAM, send_pass},
      {"receive", SOCK_STREAM, receive_pass},
      {"tcp-echo", SOCK_STREAM, tcp_echo_pass},
      {"udp-echo", SOCK_DGRAM, udp_echo_pass},
  };
  if (argc != 8) fail_check("io net NAME MODE ADDRESS PORT PASS MILLISECONDS ROUNDS");
  unsigned mode = 0;
  while (strcmp(modes[mode].name, argv[2]) != 0)
    if (++mode == sizeof modes / sizeof *modes) fail_check("io net: there is no such mode");
  make_pattern();
  struct net net = {.fd = connect_to(modes[mode].type, argv[3], (uint16_t)number(argv[4])), .count = number(argv[5])};
  int on = 1;
  if (modes[mode].type == SOCK_STREAM) setsockopt(net.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  struct rounds rounds = {argv[1], (uint32_t)number(argv[7]), number(argv[6]) * 1000000u, NULL, modes[mode].pass};
  run_rounds(&rounds, &net);
  return 0;
}

static void serve_connection(int fd) {
  struct header header;
  while (read_all(fd, &header, sizeof header)) {
    if (header.mode == MODE_SEND) {
      uint64_t good = receive_pattern(fd, header.count);
      write_all(fd, &good, sizeof good);
    } else if (header.mode == MODE_RECEIVE) {
      send_pattern(fd, header.count);
    } else {
      for (uint64_t trip = 0; trip < header.count; trip++) {
        uint8_t message[MESSAGE_BYTES];
        must_read(fd, message, sizeof message);
        write_all(fd, message, sizeof message);
      }
    }
  }
}

int serve_main(int argc, char **argv) {
  if (argc != 2) fail_check("io serve PORT");
  make_pattern();
  struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons((uint16_t)number(argv[1]))};
  int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  if (fd < 0) fail("socket");
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, (struct sockaddr *)&here, sizeof here) || listen(fd, 8)) fail("bind");
  printf("The server listens.\n");
  fflush(stdout);
  for (;;) {
    int connection = accept(fd, NULL, NULL);
    if (connection < 0) fail("accept");
    setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    serve_connection(connection);
    close(connection);
  }
}
