/* Pictures that went through JPEG, and what stands in for one that did. */
#ifndef CODED_H
#define CODED_H

#include "frame.h"

/* A picture, the JPEG file of its luma, and what that decodes to. Chroma is coded alike, in files of
 * its own. */
struct coded {
    struct frame original;
    struct frame decoded;
    uint8_t *jpeg;
    size_t jpeg_size;
    SidelightCodecParams params;
};

/* Paints a picture (see frame_paint()) and codes it at libjpeg's `quality`. */
struct coded coded_new(uint32_t layout, uint32_t width, uint32_t height, uint32_t seed,
                       int quality);
void coded_free(struct coded *c);

/* Codec parameters made by hand: JPEG's example luma table at about quality 20, no binding. */
SidelightCodecParams plain_params(void);

/* The check and binding of docs/payload.md, over a payload's other bytes. */
void payload_repair(uint8_t *payload, size_t size, uint64_t context);

#endif
