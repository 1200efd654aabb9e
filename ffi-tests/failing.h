/* An allocator in front of the system's that can be told to fail. For programs of one source file; glibc only. */
#ifndef FAILING_H
#define FAILING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#ifdef __SANITIZE_ADDRESS__
#define SYSTEM(name) __interceptor_##name
#define SYSTEM_ALIGNED __interceptor_aligned_alloc
#else
#define SYSTEM(name) __libc_##name
#define SYSTEM_ALIGNED __libc_memalign
#endif
extern void *SYSTEM(malloc)(size_t size);
extern void *SYSTEM(calloc)(size_t count, size_t size);
extern void *SYSTEM(realloc)(void *old, size_t size);
extern void *SYSTEM_ALIGNED(size_t alignment, size_t size);

/* Smaller allocations never fail, nor count. */
static size_t smallest_to_fail;
/* Allocations until one fails; below 0: none does. */
static atomic_long left = -1;
/* Whether all behind that one fail, too. */
static bool all_that_follow;
static atomic_long failures;

static bool fails(size_t size)
{
    if (size < smallest_to_fail || atomic_load(&left) < 0) return false;
    if (atomic_load(&left) == 0 && all_that_follow) {
        atomic_fetch_add(&failures, 1);
        return true;
    }
    if (atomic_fetch_sub(&left, 1) != 0) return false;
    atomic_fetch_add(&failures, 1);
    return true;
}

void *malloc(size_t size)
{
    return fails(size) ? NULL : SYSTEM(malloc)(size);
}

void *calloc(size_t count, size_t size)
{
    return fails(count * size) ? NULL : SYSTEM(calloc)(count, size);
}

void *realloc(void *old, size_t size)
{
    return fails(size) ? NULL : SYSTEM(realloc)(old, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    void *memory = fails(size) ? NULL : SYSTEM_ALIGNED(alignment, size);
    if (memory) *out = memory;
    return memory ? 0 : 12;
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return fails(size) ? NULL : SYSTEM_ALIGNED(alignment, size);
}

#endif
