/* What containerd says on standard input: as much of its messages as decides whether the engine is needed. */
#include "launcher.h"

#include <string.h>

bool slice_equals(struct slice slice, const char *text)
{
    return slice.data != NULL && slice.size == strlen(text) &&
           memcmp(slice.data, text, slice.size) == 0;
}

static bool ends_with(struct slice slice, const char *text)
{
    size_t length = strlen(text);
    return slice.size >= length &&
           memcmp(slice.data + slice.size - length, text, length) == 0 &&
           (slice.size == length || slice.data[slice.size - length - 1] == '/');
}

enum { VARINT = 0, FIXED64 = 1, LENGTH = 2, FIXED32 = 5 };

/* One field of a protobuf message; bytes.data is NULL for what has no length. */
struct field {
    uint32_t number;
    uint64_t varint;
    struct slice bytes;
};

static bool next_varint(struct slice *rest, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 70 && rest->size > 0; shift += 7) {
        uint8_t byte = (uint8_t)*rest->data++;
        rest->size--;
        if (shift < 64)
            *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

/* False at what is malformed. */
static bool next_field(struct slice *rest, struct field *field)
{
    uint64_t tag;
    if (!next_varint(rest, &tag) || tag >> 3 == 0 || tag >> 3 > UINT32_MAX >> 3)
        return false;
    *field = (struct field){.number = (uint32_t)(tag >> 3)};
    uint64_t size = 0;
    switch (tag & 7) {
    case VARINT:
        return next_varint(rest, &field->varint);
    case FIXED64:
        size = 8;
        break;
    case FIXED32:
        size = 4;
        break;
    case LENGTH:
        if (!next_varint(rest, &size))
            return false;
        field->bytes.data = rest->data;
        field->bytes.size = size;
        break;
    default:
        return false;
    }
    if (size > rest->size)
        return false;
    rest->data += size;
    rest->size -= size;
    return true;
}

/* Does the text hold one of the keys ShimGroup, ShimCgroup, shim_group, Transport...? */
static bool names_bootstrap_key(struct slice toml)
{
    static const char *const words[] = {"shim", "transport"};
    for (size_t at = 0; at < toml.size; at++) {
        for (size_t word = 0; word < sizeof words / sizeof words[0]; word++) {
            size_t length = strlen(words[word]);
            size_t same = 0;
            while (same < length && at + same < toml.size &&
                   (toml.data[at + same] | 0x20) == words[word][same])
                same++;
            if (same == length)
                return true;
        }
        /* an escape may spell anything, and underscores are left out of keys */
        if (toml.data[at] == '\\' || toml.data[at] == '_')
            return true;
    }
    return false;
}

/* Are these options that `start` need not know? shim/bootstrap/options.ts */
static bool options_are_plain(struct slice type, struct slice value)
{
    bool runc = ends_with(type, "containerd.runc.v1.Options");
    if (!runc && !ends_with(type, "runtimeoptions.v1.Options"))
        return false;
    struct field field;
    while (value.size > 0) {
        if (!next_field(&value, &field))
            return false;
        if (field.bytes.size == 0)
            continue;
        if (runc ? field.number == 3 : field.number == 2)
            return false; /* ShimCgroup; a file with options */
        if (!runc && field.number == 3 && names_bootstrap_key(field.bytes))
            return false;
    }
    return true;
}

/* google.protobuf.Any */
static bool any_is_plain(struct slice any)
{
    struct slice type = {"", 0};
    struct slice value = {"", 0};
    struct field field;
    while (any.size > 0) {
        if (!next_field(&any, &field))
            return false;
        if (field.number == 1 && field.bytes.data != NULL)
            type = field.bytes;
        if (field.number == 2 && field.bytes.data != NULL)
            value = field.bytes;
    }
    return options_are_plain(type, value);
}

/* Each extension has one Any; those that are no runtime options are left to the engine, rare as they are. */
static bool extension_is_plain(struct slice extension)
{
    struct field field;
    while (extension.size > 0) {
        if (!next_field(&extension, &field))
            return false;
        if (field.number == 1 && field.bytes.data != NULL && !any_is_plain(field.bytes))
            return false;
    }
    return true;
}

/* A path that may stand in our texts as it is. */
static bool is_path(struct slice path)
{
    return path.size == 0 || (path.data[0] == '/' && path.size < 1024 &&
                              memchr(path.data, '\0', path.size) == NULL);
}

bool request_parse(const struct input *input, const struct flags *flags, struct request *request)
{
    *request = (struct request){0};
    if (input->size == 0)
        return true;
    struct slice id = {NULL, 0};
    struct slice namespace = {NULL, 0};
    bool plain = true;
    struct field field;
    for (struct slice rest = {input->data, input->size}; rest.size > 0;) {
        if (!next_field(&rest, &field))
            return false;
        if (field.number == 3)
            request->debug = (int32_t)field.varint <= -4; /* DEBUG */
        if (field.bytes.data == NULL)
            continue;
        switch (field.number) {
        case 1:
            id = field.bytes;
            break;
        case 2:
            namespace = field.bytes;
            break;
        case 5:
            request->ttrpc_address = field.bytes;
            break;
        case 6:
            request->grpc_address = field.bytes;
            break;
        case 8:
            plain = plain && extension_is_plain(field.bytes);
            break;
        case 9:
            request->socket_dir = field.bytes;
            break;
        }
    }
    if (slice_equals(id, flags->id) && slice_equals(namespace, flags->namespace)) {
        request->bootstrap = true;
        return plain && is_path(request->socket_dir) && is_path(request->ttrpc_address) &&
               is_path(request->grpc_address);
    }
    *request = (struct request){0};
    return any_is_plain(slice_of(input->data, input->size));
}
