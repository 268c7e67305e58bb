/* Overlayfs' options that name more directories, or longer ones, than fsconfig(2) takes: strings of up to 255 bytes. */
#ifndef TSR_INIT_LAYERS_H
#define TSR_INIT_LAYERS_H

#include "init.h"

/* Kernels up to 6.4 look names up when the file system is made: descriptors in such names stay open until then. */
struct layers {
    int context;
    int fds[64];
    unsigned count;
};

/* Is it lowerdir=, upperdir= or workdir= with a value that is too long? */
bool is_long_layer_option(const char *option);

/* Gives such an option to the context directory by directory. 0 or -errno. */
int set_layers(struct init *c, struct layers *layers, const char *option);

void close_layers(struct layers *layers);

#endif
