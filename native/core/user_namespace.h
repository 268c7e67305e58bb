/* User namespaces that only carry a mapping, for id-mapped mounts. */
#ifndef TSR_CORE_USER_NAMESPACE_H
#define TSR_CORE_USER_NAMESPACE_H

#include "error.h"

/* An fd, close-on-exec, of a new user namespace with these lines of uid_map and gid_map (user_namespaces(7)). */
int tsr_user_namespace(const char *uid_map, const char *gid_map, struct tsr_error *error);

#endif
