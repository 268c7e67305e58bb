/* What the launcher reads: it must understand what is usual, leave the rest to the engine, and survive all of it. */
#include <sanitizer/asan_interface.h>
#include <stdint.h>

#include "../launcher/launcher.h"
#include "check.h"

/* ./config.json; without one read_file fails. */
static const char *config;

long read_file(const char *path, char *data, size_t size)
{
    CHECK(strcmp(path, "config.json") == 0);
    if (config == NULL) {
        errno = ENOENT;
        return -1;
    }
    size_t length = strlen(config);
    CHECK(length < size);
    memcpy(data, config, length);
    return (long)length;
}

static void test_sha256(void)
{
    static const struct {
        const char *text;
        const char *hex;
    } cases[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmno"
         "ijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
         "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
    };
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        char hex[SHA256_HEX];
        sha256_hex(cases[index].text, strlen(cases[index].text), hex);
        CHECK(strcmp(hex, cases[index].hex) == 0);
    }
}

static bool parse_flags(const char *line, struct flags *flags)
{
    static char copy[512];
    static char *argv[32];
    size_t count = 0;
    snprintf(copy, sizeof copy, "shim %s", line);
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " "))
        argv[count++] = word;
    argv[count] = NULL;
    return flags_parse(argv, flags);
}

static void test_flags(void)
{
    struct flags flags;
    CHECK(parse_flags("-namespace k8s.io -address /run/c.sock -publish-binary /c -id a_b -debug "
                      "start",
                      &flags));
    CHECK(strcmp(flags.namespace, "k8s.io") == 0 && strcmp(flags.id, "a_b") == 0);
    CHECK(strcmp(flags.address, "/run/c.sock") == 0 && flags.debug);
    CHECK(strcmp(flags.action, "start") == 0 && flags.bundle[0] == '\0');
    CHECK(parse_flags("--namespace n --address /a --id i --bundle /b/i delete", &flags));
    CHECK(strcmp(flags.bundle, "/b/i") == 0 && !flags.debug);
    static const char *const others[] = {
        "",
        "-v",
        "-id",
        "-namespace n -address /a -id i",
        "-namespace n -address /a -id ../i start",
        "-namespace n -address /a -id .. start",
        "-namespace n/m -address /a -id i start",
        "-namespace n -address /a/../b -id i start",
        "-namespace n -address /a//b -id i start",
        "-namespace n -address /a/ -id i start",
        "-namespace n -address a -id i start",
        "-namespace n -id i start",
        "-namespace=n -address /a -id i start",
        "-namespace n -address /a -id i -bogus x start",
        "-namespace n -address /a -id i -bundle b delete",
    };
    for (size_t index = 0; index < sizeof others / sizeof others[0]; index++)
        CHECK(!parse_flags(others[index], &flags));
}

/* The group for a config; NULL for what is left to the engine. */
static const char *group(const char *text)
{
    static char name[128];
    config = text;
    size_t size = text == NULL ? 1 : strlen(text) + 1;
    char *buffer = malloc(size);
    struct slice found;
    const char *result = NULL;
    CHECK(buffer != NULL);
    if (group_of("own", buffer, size, &found)) {
        snprintf(name, sizeof name, "%.*s", (int)found.size, found.data);
        result = name;
    }
    free(buffer);
    return result;
}

#define CRI "\"io.kubernetes.cri.sandbox-id\""
#define GROUP "\"io.containerd.runc.v2.group\""

static void test_group(void)
{
    CHECK(strcmp(group(NULL), "own") == 0);
    CHECK(strcmp(group("{}"), "own") == 0);
    CHECK(strcmp(group(" { \"a\" : [1, {\"b\": \"}\\\"]\"}, null] , \"c\":true } \n"), "own") == 0);
    CHECK(strcmp(group("{\"annotations\":{}}"), "own") == 0);
    CHECK(strcmp(group("{\"annotations\":null}"), "own") == 0);
    CHECK(strcmp(group("{\"annotations\":{" CRI ":\"\"}}"), "own") == 0);
    CHECK(strcmp(group("{\"annotations\":{\"x\":\"y\"," CRI ":\"pod\"}}"), "pod") == 0);
    CHECK(strcmp(group("{\"annotations\":{" CRI ":\"pod\"," GROUP ":\"g\"},\"z\":1}"), "g") == 0);
    CHECK(strcmp(group("{\"process\":{\"annotations\":{" CRI ":\"no\"}}}"), "own") == 0);
    CHECK(strcmp(group("{\"x\":\"\\\"annotations\\\":{" "\"}"), "own") == 0);
    static const char *const others[] = {
        "",
        "[]",
        "{",
        "{} x",
        "{\"a\":}",
        "{\"a\":1",
        "{\"a\"}",
        "{\"\\u0061nnotations\":{}}",
        "{\"annotations\":{" CRI ":\"p\\u006fd\"}}",
        "{\"annotations\":{" CRI ":1}}",
        "{\"annotations\":{" CRI ":\"pod\"",
        "{\"a\":\"x",
        "{\"a\":\"x\\",
    };
    for (size_t index = 0; index < sizeof others / sizeof others[0]; index++)
        CHECK(group(others[index]) == NULL);
}

static struct input input;
static const struct flags call = {.namespace = "ns", .id = "t1"};

static bool parse(const void *data, size_t size, struct request *request)
{
    ASAN_UNPOISON_MEMORY_REGION(input.data, sizeof input.data);
    memcpy(input.data, data, size);
    input.size = size;
    ASAN_POISON_MEMORY_REGION(input.data + size, sizeof input.data - size);
    return request_parse(&input, &call, request);
}

#define PARSE(text, request) parse(text, sizeof text - 1, request)
#define RUNC "\x0a\x1a" "containerd.runc.v1.Options"
#define TOML "\x0a\x19" "runtimeoptions.v1.Options"
#define PARAMS "\x0a\x02t1\x12\x02ns"

static void test_request(void)
{
    struct request request;
    CHECK(PARSE("", &request) && !request.bootstrap);
    CHECK(PARSE(RUNC, &request) && !request.bootstrap);
    CHECK(PARSE(RUNC "\x12\x04\x08\x01\x48\x01", &request));
    CHECK(PARSE(RUNC "\x12\x04\x3a\x02/r", &request));
    CHECK(PARSE(TOML "\x12\x0a\x1a\x08Root='/'", &request));
    CHECK(PARSE(PARAMS, &request) && request.bootstrap && !request.debug);
    CHECK(PARSE(PARAMS "\x18\xfc\xff\xff\xff\xff\xff\xff\xff\xff\x01\x2a\x02/t\x32\x02/g\x4a\x02/s",
                &request));
    CHECK(request.bootstrap && request.debug && slice_equals(request.ttrpc_address, "/t"));
    CHECK(slice_equals(request.grpc_address, "/g") && slice_equals(request.socket_dir, "/s"));
    CHECK(PARSE(PARAMS "\x42\x1e\x0a\x1c" RUNC, &request));
#define LEFT_TO_ENGINE(text) CHECK(!PARSE(text, &request))
    LEFT_TO_ENGINE("\x0a");
    LEFT_TO_ENGINE("\x0a\x05" "abc");
    LEFT_TO_ENGINE("\x07");
    LEFT_TO_ENGINE(PARAMS "\x4a\x01s");
    LEFT_TO_ENGINE("\x0a\x02t2\x12\x02ns");
    LEFT_TO_ENGINE(RUNC "\x12\x04\x1a\x02/c");
    LEFT_TO_ENGINE(TOML "\x12\x04\x12\x02/f");
    LEFT_TO_ENGINE(TOML "\x12\x0e\x1a\x0cShImGroup=''");
    LEFT_TO_ENGINE(TOML "\x12\x0f\x1a\x0dtransport = 1");
    LEFT_TO_ENGINE(TOML "\x12\x0f\x1a\x0d\"\\u0053him\"=1");
    LEFT_TO_ENGINE(PARAMS "\x42\x08\x0a\x06\x0a\x04" "some");
}

/* Changes and cuts what is well-formed; a crash or an overrun ends the test. */
static void test_garbage(void)
{
    static const char message[] =
        PARAMS "\x18\xfc\xff\xff\xff\xff\xff\xff\xff\xff\x01\x2a\x02/t\x42\x1e\x0a\x1c" RUNC;
    static const char json[] = "{\"a\":[1,{\"b\":\"x\\\"y\"}],\"annotations\":{" CRI ":\"pod\"}}";
    uint32_t seed = 1;
    for (int round = 0; round < 200000; round++) {
        char bytes[sizeof message];
        char text[sizeof json];
        struct request request;
        memcpy(bytes, message, sizeof bytes);
        memcpy(text, json, sizeof text);
        for (int change = 0; change < 3; change++) {
            seed = seed * 1664525 + 1013904223;
            bytes[(seed >> 8) % (sizeof bytes - 1)] = (char)(seed >> 24);
            text[(seed >> 8) % (sizeof text - 1)] = "{}[]\":,\\ a"[(seed >> 24) % 10];
        }
        seed = seed * 1664525 + 1013904223;
        parse(bytes, (seed >> 8) % sizeof bytes, &request);
        text[(seed >> 8) % sizeof text] = '\0';
        group(text);
    }
}

int main(void)
{
    test_sha256();
    test_flags();
    test_group();
    test_request();
    test_garbage();
    return 0;
}
