/* A check harness: CHECK() counts, check_finish() sums up. For programs of one source file; call
 * CHECK() from the main thread only. */
#ifndef CHECK_H
#define CHECK_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned long check_passed;
static unsigned long check_failed;

/* Failures printed one by one; the rest are only counted. */
enum { CHECK_SHOWN = 20 };

/* As printf() has it where Windows' own is not used. */
#ifdef __MINGW_PRINTF_FORMAT
#define CHECK_FORMAT __MINGW_PRINTF_FORMAT
#else
#define CHECK_FORMAT printf
#endif

__attribute__((format(CHECK_FORMAT, 4, 5))) static inline bool check_that(bool ok, const char *file,
                                                                    int line, const char *format,
                                                                    ...)
{
    if (ok) {
        check_passed++;
        return true;
    }
    if (++check_failed <= CHECK_SHOWN) {
        va_list args;
        va_start(args, format);
        printf("%s:%d: ", file, line);
        vprintf(format, args);
        printf("\n");
        va_end(args);
    }
    return false;
}

/* Counts whether `cond` holds; its value. */
#define CHECK(cond) check_that((cond), __FILE__, __LINE__, "%s", #cond)

/* The same for an int that should be `want`: prints what it is instead. */
#define CHECK_INT(have, want) check_int((have), (want), #have, __FILE__, __LINE__)

static inline bool check_int(long long have, long long want, const char *text, const char *file,
                             int line)
{
    return check_that(have == want, file, line, "%s is %lld, not %lld", text, have, want);
}

/* Stops the program where going on makes no sense. */
#define REQUIRE(cond)                                                                              \
    do {                                                                                           \
        if (!CHECK(cond)) exit(check_finish());                                                    \
    } while (0)

/* Whether to keep inputs small: the programs run under something slow. */
static inline bool check_quick(void)
{
    const char *quick = getenv("QUICK");
    return quick && *quick && *quick != '0';
}

/* Prints the sum; the program's exit status. */
static inline int check_finish(void)
{
    printf("%lu passed, %lu failed\n", check_passed, check_failed);
    fflush(stdout); /* before a leak checker may end the program */
    return check_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
