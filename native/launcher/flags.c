/* The command line as containerd writes it: shim/bootstrap/flags.ts knows the rest and what is wrong. */
#include "launcher.h"

#include <string.h>

/* Names that become parts of paths (runtime/base/ids.ts). */
static bool is_name(const char *text)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+.-";
    size_t length = strlen(text);
    return length > 0 && length < 256 && strspn(text, letters) == length &&
           strcmp(text, ".") != 0 && strcmp(text, "..") != 0;
}

/* An absolute path that cleaning would not change. */
static bool is_clean_path(const char *path)
{
    if (path[0] != '/')
        return false;
    for (const char *part = path; *part == '/';) {
        size_t length = strcspn(++part, "/");
        if (length == 0 || (length <= 2 && strspn(part, ".") >= length))
            return false;
        part += length;
    }
    return true;
}

bool flags_parse(char *const argv[], struct flags *flags)
{
    *flags = (struct flags){"", "", "", "", "", false};
    const char *publish_binary;
    const struct {
        const char *name;
        const char **value;
    } texts[] = {
        {"namespace", &flags->namespace},         {"id", &flags->id},
        {"address", &flags->address},             {"bundle", &flags->bundle},
        {"publish-binary", &publish_binary},
    };
    for (argv++; *argv != NULL && (*argv)[0] == '-'; argv++) {
        const char *name = *argv + ((*argv)[1] == '-' ? 2 : 1);
        if (strcmp(name, "debug") == 0) {
            flags->debug = true;
            continue;
        }
        const char **value = NULL;
        for (size_t index = 0; index < sizeof texts / sizeof texts[0]; index++) {
            if (strcmp(name, texts[index].name) == 0)
                value = texts[index].value;
        }
        if (value == NULL || argv[1] == NULL)
            return false;
        *value = *++argv;
    }
    if (*argv == NULL)
        return false;
    flags->action = *argv;
    return is_name(flags->namespace) && is_name(flags->id) && is_clean_path(flags->address) &&
           (flags->bundle[0] == '\0' || is_clean_path(flags->bundle));
}
