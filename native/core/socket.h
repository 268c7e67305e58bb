/* Unix sockets: in directories known by fd, and as streams without waiting. */
#ifndef TSR_CORE_SOCKET_H
#define TSR_CORE_SOCKET_H

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include "error.h"

/*
 * The address under which a socket file `name` is made in the directory. EINVAL when name has a
 * slash.
 */
int tsr_socket_bind_address(int directory, const char *name, struct sockaddr_un *address,
                            struct tsr_error *error);

/* A connected, blocking SOCK_SEQPACKET pair, close-on-exec. */
int tsr_socket_pair(int pair[2], struct tsr_error *error);

/*
 * A listening SOCK_SEQPACKET socket `name`, mode 0600, in the directory. EINVAL when name has a
 * slash.
 */
int tsr_socket_listen_at(int directory, const char *name, struct tsr_error *error);

/* Connects to a SOCK_SEQPACKET socket in the directory; symbolic links are refused (ELOOP). */
int tsr_socket_connect_at(int directory, const char *name, struct tsr_error *error);

/*
 * A listening, non-blocking SOCK_STREAM socket of mode 0600 at a path, under which it shows in
 * /proc/net/unix: ENAMETOOLONG for more than 107 bytes.
 */
int tsr_socket_listen_stream(const char *path, struct tsr_error *error);

/* 1 when a process is behind this SOCK_STREAM socket file, 0 when there is none or no file. */
int tsr_socket_is_listening(const char *path, struct tsr_error *error);

/* The next connection, non-blocking, and who made it; fails with EAGAIN when none waits. */
int tsr_socket_accept(int listener, struct ucred *peer, struct tsr_error *error);

/*
 * recv(2) and send(2) that never wait and give no SIGPIPE: EAGAIN. For what is no socket, read(2)
 * and write(2) as they are.
 */
ssize_t tsr_socket_try_read(int fd, void *data, size_t size, struct tsr_error *error);
ssize_t tsr_socket_try_write(int fd, const void *data, size_t size, struct tsr_error *error);

/* Connects a SOCK_STREAM socket to a path of any length. */
int tsr_socket_connect_stream(const char *path, struct tsr_error *error);

/* The same for SOCK_DGRAM. */
int tsr_socket_connect_datagram(const char *path, struct tsr_error *error);

#endif
