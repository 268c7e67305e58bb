// Owns the JSON writer of the probe: a comma-tracking printer on stdout, enough for flat reports.
#ifndef CONFORMANCE_JSON_H
#define CONFORMANCE_JSON_H

#include <stddef.h>

// Opens an object or array; `key` is NULL inside an array and at the top level.
void json_object(const char *key);
void json_array(const char *key);
void json_end(void);

void json_string(const char *key, const char *value);
void json_number(const char *key, long long value);
// For 64-bit unsigned values (rlimits): printed as a decimal string, because JSON readers round
// above 2^53.
void json_u64(const char *key, unsigned long long value);
void json_bool(const char *key, int value);

// Ends a top-level value: newline, and the stream is flushed so that a reader sees it at once.
void json_line(void);

#endif
