/* The bounds-checked decoder of plans (wire format: schemas/README.md). */
#ifndef TSR_PLAN_H
#define TSR_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plan_ops.h"

struct plan {
    const uint8_t *ops;
    size_t ops_size;
    const uint8_t *blob;
    size_t blob_size;
    uint32_t count;
};

struct plan_cursor {
    size_t offset;
    uint32_t index;
};

struct plan_op {
    const struct tsr_op_desc *desc;
    union tsr_args args;
};

/*
 * Checks the header and every op with all its strings, so that a damaged plan is refused before
 * anything is performed. Returns false and a static reason; nothing is allocated.
 */
bool plan_open(struct plan *plan, const uint8_t *data, size_t size, const char **reason);

/* Decodes the op at the cursor and moves on. False at the end. Only for plans that plan_open accepted. */
bool plan_next(const struct plan *plan, struct plan_cursor *cursor, struct plan_op *op);

/* Entry i of a string list, NUL-terminated. */
const char *plan_string(const struct plan *plan, struct tsr_strs list, uint32_t i);

#endif
