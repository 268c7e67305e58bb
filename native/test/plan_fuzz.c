/*
 * Fuzz entry of the plan decoder. clang links libFuzzer to it; for gcc there is a driver that mutates plans:
 *   plan_fuzz [inputs [seed]]
 * Whatever plan_open accepts is read to its last byte, from an allocation that ends where the plan ends.
 */
#include <stdio.h>
#include <stdlib.h>

#include "plan_sample.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct plan plan;
    const char *reason = NULL;
    if (!plan_open(&plan, data, size, &reason)) {
        if (reason == NULL)
            abort();
    } else if (touch_plan(&plan) != plan.count) {
        abort();
    }
    return 0;
}

#ifdef FUZZ_DRIVER

/* xorshift64: the same seed gives the same inputs everywhere. */
static uint64_t state;

static uint64_t draw(uint64_t below) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return below == 0 ? 0 : state % below;
}

static const uint32_t interesting[] = {0,          1,          7,          8,          0x7f,
                                       0xff,       0xffff,     0x7fffffff, 0x80000000, 0x20000001,
                                       0xfffffff8, 0xfffffffe, 0xffffffff};

static void mutate(uint8_t *data, size_t *size) {
    size_t at = draw(*size);
    switch (draw(8)) {
    case 0:
        data[at] ^= (uint8_t)(1U << draw(8));
        break;
    case 1:
        data[at] = (uint8_t)draw(256);
        break;
    case 2: /* a word of any value */
    case 3:
        if (*size >= 8)
            put_u32(data + draw(*size / 4) * 4,
                    interesting[draw(sizeof interesting / sizeof *interesting)]);
        break;
    case 4: /* a word near what it was, where offsets and lengths are the most confusing */
        if (*size >= 8) {
            uint32_t word;
            at = draw(*size / 4) * 4;
            memcpy(&word, data + at, sizeof word);
            put_u32(data + at, word + (uint32_t)draw(17) - 8);
        }
        break;
    case 5: /* a piece of the plan somewhere else */
        if (*size > 16)
            memmove(data + draw(*size - 16), data + draw(*size - 16), 1 + draw(16));
        break;
    case 6:
        *size = draw(4) == 0 ? draw(*size) : *size;
        break;
    default: /* a blob that is shorter or longer, with a header that says so */
        if (*size >= SAMPLE_HEADER) {
            uint32_t blob, less = (uint32_t)draw(9);
            memcpy(&blob, data + 16, sizeof blob);
            if (*size > SAMPLE_HEADER + less) {
                put_u32(data + 16, blob - less);
                *size -= less;
            }
        }
        break;
    }
    if (*size == 0)
        *size = 1;
}

int main(int argc, char **argv) {
    static uint8_t work[SAMPLE_CAPACITY];
    unsigned long inputs = argc > 1 ? strtoul(argv[1], NULL, 10) : 200000, accepted = 0;
    unsigned long seed = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
    state = seed * 0x9e3779b97f4a7c15ULL + 1;
    for (unsigned long i = 0; i < inputs; i++) {
        /* mostly short plans: a change is not lost among hundreds of fields there */
        uint32_t count = draw(16) == 0 ? TSR_OP_COUNT : 1 + (uint32_t)draw(3);
        size_t size = sample_plan(work, (uint32_t)draw(TSR_OP_COUNT + 1 - count), count);
        for (uint64_t left = 1 + draw(4); left > 0; left--)
            mutate(work, &size);
        uint8_t *copy = malloc(size);
        if (copy == NULL)
            return 1;
        memcpy(copy, work, size);
        struct plan plan;
        const char *reason;
        accepted += plan_open(&plan, copy, size, &reason);
        LLVMFuzzerTestOneInput(copy, size);
        free(copy);
    }
    printf("plan_fuzz: %lu inputs from seed %lu, %lu of them accepted and read\n", inputs, seed,
           accepted);
    return 0;
}

#endif
