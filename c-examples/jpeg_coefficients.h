/* A JPEG file's coefficients, optimised for the filter and coded again. */
#ifndef JPEG_COEFFICIENTS_H
#define JPEG_COEFFICIENTS_H

#include "jpeg_planes.h"

/* Optimises a file of the picture `original` for the filter of `payload`, or of a base model if that is
 * NULL. The copy has the same tables, restart intervals and metadata, and scans of the same kind; what
 * stands behind the picture's end is left out. `*out` is freed with free(). Prints what is wrong and
 * returns 0 on failure. */
int jpeg_optimise(const char *name, const uint8_t *jpeg, size_t size, const Planes *original,
                  const SidelightOptimiseSettings *settings, const SidelightBuffer *payload, uint8_t **out,
                  size_t *out_size, SidelightOptimiseReport *report);

#endif
