/* Unix sockets in directories known by fd. */
#ifndef TSR_CORE_SOCKET_H
#define TSR_CORE_SOCKET_H

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

/* Connects a SOCK_STREAM socket to a path of any length. */
int tsr_socket_connect_stream(const char *path, struct tsr_error *error);

/* The same for SOCK_DGRAM. */
int tsr_socket_connect_datagram(const char *path, struct tsr_error *error);

#endif
