//go:build ignore

/*
 * Floor is the least that answering a query over UDP can cost on a machine: it takes up to 64 queries
 * with one system call, flips the bits that make them replies, appends one record that is always the
 * same, and sends them with another call. It looks nothing up and checks nothing, so it is no server:
 * a query with anything behind its question gets nonsense.
 *
 *	floor ADDRESS PORT
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { batch = 64, header = 12, room = 512 };

/* The owner name is the question's (a pointer to offset 12), A, IN, 3600 s, 192.0.2.1. */
static const unsigned char record[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0x0e, 0x10, 0, 4, 192, 0, 2, 1};

static unsigned char packets[batch][room + sizeof record];
static struct sockaddr_in clients[batch];
static struct iovec parts[batch];
static struct mmsghdr messages[batch];

static int bound(const char *address, const char *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
	int buffer = 4 << 20; /* as notyet asks for */
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || inet_pton(AF_INET, address, &at.sin_addr) != 1 || bind(fd, (struct sockaddr *)&at, sizeof at) < 0) {
		perror("floor");
		exit(1);
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
	return fd;
}

/* answer makes the reply in place and returns its length; what is no query gets an empty packet. */
static size_t answer(unsigned char *packet, size_t length)
{
	if (length < header || packet[2] & 0x80)
		return 0;
	packet[2] |= 0x80; /* qr */
	packet[3] |= 0x80; /* ra */
	packet[7] = 1;     /* one answer */
	memcpy(packet + length, record, sizeof record);
	return length + sizeof record;
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: floor ADDRESS PORT\n");
		return 2;
	}
	int fd = bound(argv[1], argv[2]);
	for (int i = 0; i < batch; i++) {
		parts[i].iov_base = packets[i];
		messages[i].msg_hdr = (struct msghdr){.msg_name = &clients[i], .msg_iov = &parts[i], .msg_iovlen = 1};
	}
	for (;;) {
		for (int i = 0; i < batch; i++) {
			parts[i].iov_len = room;
			messages[i].msg_hdr.msg_namelen = sizeof clients[i];
		}
		/* Waits for the first packet and takes the others that are there. */
		int n = recvmmsg(fd, messages, batch, MSG_WAITFORONE, NULL);
		if (n < 0)
			continue; /* a packet of ours that bounced */
		for (int i = 0; i < n; i++)
			parts[i].iov_len = answer(packets[i], messages[i].msg_len);
		for (int sent = 0; sent < n;) {
			int some = sendmmsg(fd, messages + sent, n - sent, 0);
			sent += some > 0 ? some : 1; /* one that cannot be sent is lost, as packets may be */
		}
	}
}
