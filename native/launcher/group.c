/* Whose shim a container shares: two annotations of its config (shim/bootstrap/group.ts), and SHA-256 for the path. */
#include "launcher.h"

#include <errno.h>
#include <string.h>

/* A walk over JSON that checks no more than it needs: containerd has written it. */
struct walk {
    const char *at;
    const char *end;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* The next character that is no blank, or NUL at the end. */
static char peek(struct walk *walk)
{
    while (walk->at < walk->end && is_blank(*walk->at))
        walk->at++;
    return walk->at < walk->end ? *walk->at : '\0';
}

static bool take(struct walk *walk, char c)
{
    if (peek(walk) != c || walk->at == walk->end)
        return false;
    walk->at++;
    return true;
}

/* A string; has_escapes when its text is not what stands there. */
static bool take_string(struct walk *walk, struct slice *text, bool *has_escapes)
{
    if (!take(walk, '"'))
        return false;
    *has_escapes = false;
    const char *start = walk->at;
    for (; walk->at < walk->end; walk->at++) {
        if (*walk->at == '"') {
            *text = slice_of(start, (size_t)(walk->at++ - start));
            return true;
        }
        if (*walk->at == '\\') {
            *has_escapes = true;
            walk->at++;
        }
    }
    return false;
}

/* Any value, with all that is in it. */
static bool skip_value(struct walk *walk)
{
    struct slice text;
    bool escapes;
    size_t depth = 0;
    do {
        char c = peek(walk);
        if (c == '"') {
            if (!take_string(walk, &text, &escapes))
                return false;
        } else if (c == '{' || c == '[') {
            depth++;
            walk->at++;
        } else if (c == '}' || c == ']') {
            if (depth == 0)
                return false;
            depth--;
            walk->at++;
        } else if (c == '\0') {
            return false;
        } else if (c == ',' || c == ':') {
            if (depth == 0)
                return false;
            walk->at++;
        } else {
            while (walk->at < walk->end && !is_blank(*walk->at) &&
                   strchr(",:{}[]\"", *walk->at) == NULL)
                walk->at++;
        }
    } while (depth > 0);
    return true;
}

static const char *const group_keys[] = {"io.containerd.runc.v2.group",
                                         "io.kubernetes.cri.sandbox-id"};
enum { KEYS = sizeof group_keys / sizeof group_keys[0] };

/* Calls `member` for each member of an object with its value ahead, which it has to take. */
typedef bool take_member(struct walk *walk, struct slice key, void *context);

static bool take_object(struct walk *walk, take_member *member, void *context)
{
    if (!take(walk, '{'))
        return false;
    if (take(walk, '}'))
        return true;
    do {
        struct slice key;
        bool escapes;
        if (!take_string(walk, &key, &escapes) || escapes || !take(walk, ':') ||
            !member(walk, key, context))
            return false;
    } while (take(walk, ','));
    return take(walk, '}');
}

static bool take_annotation(struct walk *walk, struct slice key, void *context)
{
    struct slice *groups = context;
    for (size_t index = 0; index < KEYS; index++) {
        if (slice_equals(key, group_keys[index])) {
            bool escapes;
            return take_string(walk, &groups[index], &escapes) && !escapes;
        }
    }
    return skip_value(walk);
}

static bool take_config_member(struct walk *walk, struct slice key, void *context)
{
    if (slice_equals(key, "annotations") && peek(walk) == '{')
        return take_object(walk, take_annotation, context);
    return skip_value(walk);
}

bool group_of(const char *id, char *buffer, size_t size, struct slice *group)
{
    *group = slice_of(id, strlen(id));
    long length = read_file("config.json", buffer, size);
    if (length < 0)
        return errno == ENOENT;
    struct slice groups[KEYS] = {{NULL, 0}};
    struct walk walk = {buffer, buffer + length};
    if (!take_object(&walk, take_config_member, groups) || peek(&walk) != '\0')
        return false;
    for (size_t index = 0; index < KEYS; index++) {
        if (groups[index].size > 0) {
            *group = groups[index];
            break;
        }
    }
    return group->size < 1024 && memchr(group->data, '\0', group->size) == NULL;
}
