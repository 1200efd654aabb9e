/* What the examples' command lines have in common. */
#ifndef COMMAND_LINE_H
#define COMMAND_LINE_H

#include <stdint.h>
#include <stdio.h>

/* A whole number from `low` to `high`; 0 if `text` is none. */
int parse_number(const char *text, long low, long high, long *value);

/* A number from `low` to `high`; 0 if `text` is none. */
int parse_real(const char *text, double low, double high, double *value);

/* "off", "base" or "update" as a SidelightMode; 0 if `text` is none of them. */
int parse_mode(const char *text, int *mode);

/* "default", "small", "medium" or "large" as a SidelightModelSize; 0 if `text` is none of them. */
int parse_model_size(const char *text, uint32_t *size);

/* The name of a SidelightMode. */
const char *mode_name(int mode);

/* Whether all that was printed to `f` got there; tells if not. */
int printed(FILE *f);

/* Seconds since some moment. */
double now(void);

#endif
