/*
 * Sidelight: artifact removal with weight-updates that travel with the stream
 *
 * This file is part of FFmpeg.
 *
 * FFmpeg is free software; you can redistribute it and/or
 * modify it under the terms of the GNU Lesser General Public
 * License as published by the Free Software Foundation; either
 * version 2.1 of the License, or (at your option) any later version.
 *
 * FFmpeg is distributed in the hope that it will be useful,
 * but WITHOUT ANY WARRANTY; without even the implied warranty of
 * MERCHANTABILITY or FITNESS FOR A PARTICULAR PURPOSE.  See the GNU
 * Lesser General Public License for more details.
 *
 * You should have received a copy of the GNU Lesser General Public
 * License along with FFmpeg; if not, write to the Free Software
 * Foundation, Inc., 51 Franklin Street, Fifth Floor, Boston, MA 02110-1301 USA
 */

/**
 * @file
 * Post-filter for decoded pictures. The payloads that drive it come as SEI messages with
 * the frames (AV_FRAME_DATA_SEI_UNREGISTERED) or, for JPEG, from the file itself.
 */

#include <math.h>
#include <sidelight.h>

#include "libavutil/common.h"
#include "libavutil/file.h"
#include "libavutil/frame.h"
#include "libavutil/intreadwrite.h"
#include "libavutil/mem.h"
#include "libavutil/opt.h"
#include "libavutil/pixdesc.h"

#include "avfilter.h"
#include "formats.h"
#include "video.h"
#include "version.h"
#if LIBAVFILTER_VERSION_MAJOR < 10
#include "internal.h"
#else
#include "filters.h"
#endif

/* A band that is lower than this costs more at its seams than another thread brings. */
#define MIN_BAND_ROWS 32

enum Fallback { FALLBACK_OFF, FALLBACK_BASE };

/* What the pictures from here on get. */
enum State {
    NO_PAYLOAD, ///< the fallback
    PASS,       ///< nothing: the payload says so, or it can't be used
    PAYLOAD,    ///< what the payload asks for
};

typedef struct SidelightContext {
    const AVClass *class;

    int fallback;
    int qp, qp_i, qp_b;
    int model_size;
    int skip_binding;
    double strength;
    int depth;                 ///< of the output; 0: the input's
    char *file;

    SidelightDecoder *decoder; ///< obeys payloads
    SidelightDecoder *base;    ///< for the fallback, if there is one
    SidelightDecoder *pass;    ///< for pictures that get no more than the output's depth
    SidelightCodecParams params; ///< of the fallback
    int state;

    /* of the JPEG */
    int width, height, layout;

    unsigned warned;           ///< set of -error
    const uint8_t **messages;
    size_t *sizes;
    unsigned messages_size, sizes_size;
    int64_t filtered, passed;
} SidelightContext;

typedef struct ThreadData {
    const SidelightDecoder *decoder;
    SidelightPicture in, out;
} ThreadData;

#define OFFSET(x) offsetof(SidelightContext, x)
#define FLAGS (AV_OPT_FLAG_VIDEO_PARAM | AV_OPT_FLAG_FILTERING_PARAM)
#define RUNTIME (FLAGS | AV_OPT_FLAG_RUNTIME_PARAM)

static const AVOption sidelight_options[] = {
    { "fallback", "what to do with pictures without a payload", OFFSET(fallback), AV_OPT_TYPE_INT,
        { .i64 = FALLBACK_OFF }, FALLBACK_OFF, FALLBACK_BASE, FLAGS, .unit = "fallback" },
        { "off",  "pass them on as they are", 0, AV_OPT_TYPE_CONST,
            { .i64 = FALLBACK_OFF },  0, 0, FLAGS, .unit = "fallback" },
        { "base", "filter them with the base model", 0, AV_OPT_TYPE_CONST,
            { .i64 = FALLBACK_BASE }, 0, 0, FLAGS, .unit = "fallback" },
    { "qp",   "QP of P pictures, for the base model", OFFSET(qp), AV_OPT_TYPE_INT,
        { .i64 = -1 }, -1, 51, FLAGS },
    { "qp_i", "QP of intra pictures (default qp - 3)", OFFSET(qp_i), AV_OPT_TYPE_INT,
        { .i64 = -1 }, -1, 51, FLAGS },
    { "qp_b", "QP of B pictures (default qp + 2)", OFFSET(qp_b), AV_OPT_TYPE_INT,
        { .i64 = -1 }, -1, 51, FLAGS },
    { "model_size", "size of the fallback's base model", OFFSET(model_size), AV_OPT_TYPE_INT,
        { .i64 = SIDELIGHT_MODEL_SIZE_MEDIUM }, SIDELIGHT_MODEL_SIZE_SMALL, SIDELIGHT_MODEL_SIZE_LARGE,
        FLAGS, .unit = "model_size" },
        { "small",  "less gain, faster", 0, AV_OPT_TYPE_CONST,
            { .i64 = SIDELIGHT_MODEL_SIZE_SMALL },  0, 0, FLAGS, .unit = "model_size" },
        { "medium", "the default", 0, AV_OPT_TYPE_CONST,
            { .i64 = SIDELIGHT_MODEL_SIZE_MEDIUM }, 0, 0, FLAGS, .unit = "model_size" },
        { "large",  "more gain, slower; JPEG only", 0, AV_OPT_TYPE_CONST,
            { .i64 = SIDELIGHT_MODEL_SIZE_LARGE },  0, 0, FLAGS, .unit = "model_size" },
    { "skip_binding", "use payloads that were made for other pictures, too", OFFSET(skip_binding), AV_OPT_TYPE_BOOL,
        { .i64 = 0 }, 0, 1, FLAGS },
    { "strength", "how much of the correction pictures get", OFFSET(strength), AV_OPT_TYPE_DOUBLE,
        { .dbl = 1 }, 0, 1, RUNTIME },
    { "depth", "bits of the output: 10, 12 or 16, more than the input's; 0 for the input's", OFFSET(depth),
        AV_OPT_TYPE_INT, { .i64 = 0 }, 0, 16, FLAGS },
    { "file", "JPEG file that the input was decoded from", OFFSET(file), AV_OPT_TYPE_STRING,
        { .str = NULL }, 0, 0, FLAGS },
    { NULL }
};

AVFILTER_DEFINE_CLASS(sidelight);

static const enum AVPixelFormat pix_fmts[] = {
    AV_PIX_FMT_YUV420P,   AV_PIX_FMT_YUV422P,   AV_PIX_FMT_YUV444P,   AV_PIX_FMT_GRAY8,
    AV_PIX_FMT_YUVJ420P,  AV_PIX_FMT_YUVJ422P,  AV_PIX_FMT_YUVJ444P,
    AV_PIX_FMT_YUV420P10, AV_PIX_FMT_YUV422P10, AV_PIX_FMT_YUV444P10, AV_PIX_FMT_GRAY10,
    AV_PIX_FMT_YUV420P12, AV_PIX_FMT_YUV422P12, AV_PIX_FMT_YUV444P12, AV_PIX_FMT_GRAY12,
    AV_PIX_FMT_YUV440P,   AV_PIX_FMT_YUVJ440P,  AV_PIX_FMT_YUV411P,   AV_PIX_FMT_YUVJ411P,
    AV_PIX_FMT_NONE
};

static int same_sampling(const AVPixFmtDescriptor *a, const AVPixFmtDescriptor *b)
{
    return a->nb_components == b->nb_components && a->log2_chroma_w == b->log2_chroma_w &&
           a->log2_chroma_h == b->log2_chroma_h;
}

/** Formats of the input and the one format of a deeper output, by what comes first of what the source has. */
static int deeper_formats(const AVFilterContext *ctx, AVFilterFormats **in, AVFilterFormats **out)
{
    static const enum AVPixelFormat deep[] = {
        AV_PIX_FMT_YUV420P10, AV_PIX_FMT_YUV422P10, AV_PIX_FMT_YUV444P10, AV_PIX_FMT_YUV440P10, AV_PIX_FMT_GRAY10,
        AV_PIX_FMT_YUV420P12, AV_PIX_FMT_YUV422P12, AV_PIX_FMT_YUV444P12, AV_PIX_FMT_YUV440P12, AV_PIX_FMT_GRAY12,
        AV_PIX_FMT_YUV420P16, AV_PIX_FMT_YUV422P16, AV_PIX_FMT_YUV444P16, AV_PIX_FMT_GRAY16,
    };
    const SidelightContext *s = ctx->priv;
    const AVFilterFormats *source = ctx->inputs[0]->incfg.formats;
    enum AVPixelFormat inputs[FF_ARRAY_ELEMS(pix_fmts)], output[2] = { AV_PIX_FMT_NONE, AV_PIX_FMT_NONE };
    const AVPixFmtDescriptor *like = NULL;
    int nb = 0, ret;

    if (!source || !source->nb_formats)
        return AVERROR(EAGAIN);
    for (int i = 0; i < source->nb_formats && !like; i++) {
        for (int k = 0; pix_fmts[k] != AV_PIX_FMT_NONE && !like; k++) {
            if (source->formats[i] == pix_fmts[k])
                like = av_pix_fmt_desc_get(pix_fmts[k]);
        }
    }
    if (!like) // the source is converted
        like = av_pix_fmt_desc_get(AV_PIX_FMT_YUV420P);
    for (int k = 0; pix_fmts[k] != AV_PIX_FMT_NONE; k++) {
        const AVPixFmtDescriptor *desc = av_pix_fmt_desc_get(pix_fmts[k]);

        if (same_sampling(desc, like) && desc->comp[0].depth <= s->depth)
            inputs[nb++] = pix_fmts[k];
    }
    inputs[nb] = AV_PIX_FMT_NONE;
    for (int k = 0; k < FF_ARRAY_ELEMS(deep); k++) {
        const AVPixFmtDescriptor *desc = av_pix_fmt_desc_get(deep[k]);

        if (same_sampling(desc, like) && desc->comp[0].depth == s->depth)
            output[0] = deep[k];
    }
    if (like->comp[0].depth > s->depth || output[0] == AV_PIX_FMT_NONE) {
        av_log((void *)ctx, AV_LOG_ERROR, "%s has no output of %d bits\n", like->name, s->depth);
        return AVERROR(EINVAL);
    }
    if ((ret = ff_formats_ref(ff_make_format_list((const int *)inputs), in)) < 0)
        return ret;
    return ff_formats_ref(ff_make_format_list((const int *)output), out);
}

#ifdef FILTER_QUERY_FUNC2
static int query_formats(const AVFilterContext *ctx, AVFilterFormatsConfig **in, AVFilterFormatsConfig **out)
{
    if (!((const SidelightContext *)ctx->priv)->depth)
        return ff_set_common_formats_from_list2(ctx, in, out, (const int *)pix_fmts);
    return deeper_formats(ctx, &in[0]->formats, &out[0]->formats);
}
#else
static int query_formats(AVFilterContext *ctx)
{
    if (!((const SidelightContext *)ctx->priv)->depth)
        return ff_set_common_formats_from_list(ctx, (const int *)pix_fmts);
    return deeper_formats(ctx, &ctx->inputs[0]->outcfg.formats, &ctx->outputs[0]->incfg.formats);
}
#endif

/** Says once for each kind of error why pictures pass through. */
static void warn(AVFilterContext *ctx, int error, const char *what)
{
    SidelightContext *s = ctx->priv;
    int level    = AV_LOG_VERBOSE;
    unsigned bit = 1u << (-error & 31); // they all differ

    if (!(s->warned & bit))
        level = AV_LOG_WARNING;
    s->warned |= bit;
    av_log(ctx, level, "%s: %s; pictures pass through unfiltered\n", what, sidelight_strerror(error));
}

/* ---- JPEG ---- */

/**
 * Reads size and layout out of a file whose segments the library has found to be sound.
 * The layout is below 0 for colours and samplings that the library has no layout for.
 */
static int jpeg_shape(SidelightContext *s, const uint8_t *p, size_t size)
{
    const uint8_t *end = p + size;
    int jfif = 0, rgb = 0;

    p += 2;
    while (end - p >= 4) {
        int marker = p[1], length;

        // What belongs to no segment is passed over, as decoders do.
        if (*p != 0xFF || !marker) {
            p++;
            continue;
        }
        if (marker == 0xFF || marker == 0x01 || marker >= 0xD0 && marker <= 0xD8) {
            p += marker == 0xFF ? 1 : 2;
            continue;
        }
        length = AV_RB16(p + 2);
        if (marker >= 0xE0)
            length = FFMAX(length, 2);
        if (length < 2 || end - p < length + 2)
            return AVERROR_INVALIDDATA;
        if (marker == 0xE0 && length >= 7 && !memcmp(p + 4, "JFIF", 5))
            jfif = 1;
        if (marker == 0xEE && length >= 14 && !memcmp(p + 4, "Adobe", 5))
            rgb = !jfif && !p[15];
        if (marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC) {
            int components = length >= 8 ? p[9] : 0;

            if (length < 8 + 3 * components)
                return AVERROR_INVALIDDATA;
            s->height = AV_RB16(p + 5);
            s->width  = AV_RB16(p + 7);
            s->layout = -1;
            if (components == 1) {
                s->layout = SIDELIGHT_LAYOUT_I400;
            } else if (components == 3 && !rgb && p[14] == p[17]) {
                int luma = p[11], chroma = p[14]; // horizontal << 4 | vertical

                if (luma == chroma)
                    s->layout = SIDELIGHT_LAYOUT_I444;
                else if (luma >> 4 == 2 * (chroma >> 4) && (luma & 15) == (chroma & 15))
                    s->layout = SIDELIGHT_LAYOUT_I422;
                else if (luma == 2 * chroma)
                    s->layout = SIDELIGHT_LAYOUT_I420;
                else if (luma >> 4 == chroma >> 4 && (luma & 15) == 2 * (chroma & 15))
                    s->layout = SIDELIGHT_LAYOUT_I440;
                else if (luma >> 4 == 4 * (chroma >> 4) && (luma & 15) == (chroma & 15))
                    s->layout = SIDELIGHT_LAYOUT_I411;
            }
            return 0;
        }
        p += 2 + length;
    }
    return AVERROR_INVALIDDATA;
}

static int read_jpeg(AVFilterContext *ctx)
{
    SidelightContext *s     = ctx->priv;
    SidelightBuffer payload = { 0 };
    uint8_t *jpeg;
    size_t size;
    int ret = av_file_map(s->file, &jpeg, &size, 0, ctx);

    if (ret < 0)
        return ret;
    s->state = PASS;
    ret = sidelight_jpeg_read(jpeg, size, &s->params, NULL);
    if (ret >= 0 && jpeg_shape(s, jpeg, size) < 0)
        ret = SIDELIGHT_ERROR_CORRUPT;
    if (ret < 0) {
        warn(ctx, ret, s->file);
        goto end;
    }
    if (s->layout < 0) {
        warn(ctx, SIDELIGHT_ERROR_UNSUPPORTED, "CMYK, RGB or unusual sampling");
        goto end;
    }
    ret = sidelight_jpeg_read(jpeg, size, NULL, &payload);
    if (ret == 0) {
        s->state = NO_PAYLOAD;
        goto end;
    }
    if (ret > 0)
        ret = sidelight_decoder_set_payload(s->decoder, payload.data, payload.size, &s->params);
    if (ret > SIDELIGHT_MODE_OFF)
        s->state = PAYLOAD;
    else if (ret < 0)
        warn(ctx, ret, "payload ignored");
end:
    sidelight_buffer_unref(&payload);
    av_file_unmap(jpeg, size);
    return 0;
}

static int is_full_range(const AVFrame *frame)
{
    switch (frame->format) {
    case AV_PIX_FMT_YUVJ420P:
    case AV_PIX_FMT_YUVJ422P:
    case AV_PIX_FMT_YUVJ440P:
    case AV_PIX_FMT_YUVJ411P:
    case AV_PIX_FMT_YUVJ444P: return 1;
    case AV_PIX_FMT_GRAY8:    return frame->color_range != AVCOL_RANGE_MPEG;
    default:                  return frame->color_range == AVCOL_RANGE_JPEG;
    }
}

/** If this can be the picture that the file was decoded to. */
static int is_of_jpeg(const SidelightContext *s, const AVFrame *frame, const SidelightPicture *p)
{
    return p->width == s->width && p->height == s->height && p->layout == s->layout &&
           p->bit_depth == 8 && is_full_range(frame);
}

/* ---- frames ---- */

static SidelightPicture picture_of(const AVFrame *frame)
{
    /* by log2_chroma_w and log2_chroma_h */
    static const uint8_t layouts[3][2] = {
        { SIDELIGHT_LAYOUT_I444, SIDELIGHT_LAYOUT_I440 },
        { SIDELIGHT_LAYOUT_I422, SIDELIGHT_LAYOUT_I420 },
        { SIDELIGHT_LAYOUT_I411 },
    };
    const AVPixFmtDescriptor *desc = av_pix_fmt_desc_get(frame->format);
    SidelightPicture p = { 0 };

    for (int i = 0; i < 3; i++) {
        p.data[i]   = frame->data[i];
        p.stride[i] = frame->linesize[i];
    }
    p.width     = frame->width;
    p.height    = frame->height;
    p.bit_depth = desc->comp[0].depth;
    p.layout    = desc->nb_components == 1 ? SIDELIGHT_LAYOUT_I400 :
                  layouts[desc->log2_chroma_w][desc->log2_chroma_h];
    switch (frame->pict_type) {
    case AV_PICTURE_TYPE_B: p.picture_type = SIDELIGHT_PICTURE_TYPE_B; break;
    case AV_PICTURE_TYPE_P:
    case AV_PICTURE_TYPE_S:
    case AV_PICTURE_TYPE_SP: p.picture_type = SIDELIGHT_PICTURE_TYPE_P; break;
    default: p.picture_type = SIDELIGHT_PICTURE_TYPE_I;
    }
#ifdef AV_FRAME_FLAG_KEY
    if (frame->flags & AV_FRAME_FLAG_KEY)
#else
    if (frame->key_frame)
#endif
        p.picture_type = SIDELIGHT_PICTURE_TYPE_IRAP;
    return p;
}

/** Hands the frame's messages to the decoder. Is done for every frame, shown filtered or not. */
static int take_messages(AVFilterContext *ctx, const AVFrame *frame, const SidelightPicture *picture)
{
    SidelightContext *s = ctx->priv;
    int nb = 0, ret;

    if (frame->nb_side_data) {
        av_fast_malloc(&s->messages, &s->messages_size, frame->nb_side_data * sizeof(*s->messages));
        av_fast_malloc(&s->sizes,    &s->sizes_size,    frame->nb_side_data * sizeof(*s->sizes));
        if (!s->messages || !s->sizes)
            return AVERROR(ENOMEM);
        /* There may be several: other encoders' too. */
        for (int i = 0; i < frame->nb_side_data; i++) {
            const AVFrameSideData *sd = frame->side_data[i];

            if (sd->type != AV_FRAME_DATA_SEI_UNREGISTERED)
                continue;
            s->messages[nb] = sd->data;
            s->sizes[nb++]  = sd->size;
        }
    }
    ret = sidelight_decoder_set_sei(s->decoder, picture, s->messages, s->sizes, nb);
    if (ret == SIDELIGHT_ERROR_NO_PAYLOAD) {
        if (picture->picture_type == SIDELIGHT_PICTURE_TYPE_IRAP)
            s->state = NO_PAYLOAD;
    } else if (ret < 0) {
        s->state = PASS;
        warn(ctx, ret, "payload ignored");
    } else {
        s->state = ret == SIDELIGHT_MODE_OFF ? PASS : PAYLOAD;
    }
    return 0;
}

/** What the picture is to be filtered with; NULL for nothing. */
static const SidelightDecoder *decoder_for(AVFilterContext *ctx, const AVFrame *frame,
                                           const SidelightPicture *picture)
{
    /* by SidelightPictureType */
    static const uint8_t class_of[] = { 0, 0, 1, 2 };
    SidelightContext *s = ctx->priv;

    if (s->state == PASS || s->state == NO_PAYLOAD && !s->base)
        return NULL;
    if (s->file) {
        if (!s->skip_binding && !is_of_jpeg(s, frame, picture)) {
            warn(ctx, SIDELIGHT_ERROR_STALE, s->file);
            return NULL;
        }
    } else if (s->state == NO_PAYLOAD && !s->params.qp[class_of[picture->picture_type]]) {
        return NULL;
    }
    return s->state == PAYLOAD ? s->decoder : s->base;
}

static int filter_slice(AVFilterContext *ctx, void *arg, int jobnr, int nb_jobs)
{
    const ThreadData *td = arg;
    const int height = td->in.height;
    const int start  = (int64_t)height * jobnr / nb_jobs & ~1;
    const int end    = jobnr == nb_jobs - 1 ? height : (int64_t)height * (jobnr + 1) / nb_jobs & ~1;

    return sidelight_decoder_filter_band(td->decoder, &td->in, &td->out, start, end);
}

static int external(AVFilterContext *ctx, int error)
{
    av_log(ctx, AV_LOG_ERROR, "%s\n", sidelight_strerror(error));
    return error == SIDELIGHT_ERROR_OUT_OF_MEMORY ? AVERROR(ENOMEM) : AVERROR_EXTERNAL;
}

/** Puts a copy without negative line sizes in the frame's place. */
static int straighten(AVFilterLink *inlink, AVFrame **frame)
{
    AVFrame *copy = ff_get_video_buffer(inlink, (*frame)->width, (*frame)->height);
    int ret;

    if (!copy)
        return AVERROR(ENOMEM);
    if ((ret = av_frame_copy_props(copy, *frame)) < 0 || (ret = av_frame_copy(copy, *frame)) < 0) {
        av_frame_free(&copy);
        return ret;
    }
    av_frame_free(frame);
    *frame = copy;
    return 0;
}

static int filter_frame(AVFilterLink *inlink, AVFrame *in)
{
    AVFilterContext *ctx  = inlink->dst;
    AVFilterLink *outlink = ctx->outputs[0];
    SidelightContext *s   = ctx->priv;
    ThreadData td         = { 0 };
    AVFrame *out          = NULL;
    const int deeper      = outlink->format != inlink->format;
    int rets[256], nb_jobs, ret;

    /* The library wants rows that go down. */
    if (in->linesize[0] < 0 && (ret = straighten(inlink, &in)) < 0)
        goto fail;
    td.in = picture_of(in);
    if (!s->file && (ret = take_messages(ctx, in, &td.in)) < 0)
        goto fail;
    if (!ctx->is_disabled)
        td.decoder = decoder_for(ctx, in, &td.in);
    if (td.decoder) {
        const uint32_t strength = lrint(s->strength * SIDELIGHT_FULL_STRENGTH);

        sidelight_decoder_set_strength(s->decoder, strength);
        if (s->base)
            sidelight_decoder_set_strength(s->base, strength);
        s->filtered++;
    } else {
        s->passed++;
        if (!deeper)
            return ff_filter_frame(outlink, in);
        td.decoder = s->pass;
    }

    out = ff_get_video_buffer(outlink, in->width, in->height);
    if (!out) {
        ret = AVERROR(ENOMEM);
        goto fail;
    }
    if ((ret = av_frame_copy_props(out, in)) < 0)
        goto fail;
    if (deeper && is_full_range(in)) // formats of full range have no deeper ones
        out->color_range = AVCOL_RANGE_JPEG;
    td.out  = picture_of(out);
    nb_jobs = av_clip(in->height / MIN_BAND_ROWS, 1,
                      FFMIN(ff_filter_get_nb_threads(ctx), (int)FF_ARRAY_ELEMS(rets)));
    ff_filter_execute(ctx, filter_slice, &td, rets, nb_jobs);
    for (int i = 0; i < nb_jobs; i++) {
        if (rets[i] >= 0)
            continue;
        if (deeper) {
            ret = external(ctx, rets[i]);
            goto fail;
        }
        warn(ctx, rets[i], "filter");
        av_frame_free(&out);
        s->filtered--;
        s->passed++;
        return ff_filter_frame(outlink, in);
    }
    av_frame_free(&in);
    return ff_filter_frame(outlink, out);

fail:
    av_frame_free(&out);
    av_frame_free(&in);
    return ret;
}

/* ---- the filter ---- */

static av_cold int init(AVFilterContext *ctx)
{
    SidelightContext *s = ctx->priv;

    if (s->fallback == FALLBACK_BASE && !s->file && s->qp < 0 && (s->qp_i < 0 || s->qp_b < 0)) {
        av_log(ctx, AV_LOG_ERROR, "fallback=base needs qp\n");
        return AVERROR(EINVAL);
    }
    if (s->depth && s->depth != 10 && s->depth != 12 && s->depth != 16) {
        av_log(ctx, AV_LOG_ERROR, "depth is to be 10, 12 or 16\n");
        return AVERROR(EINVAL);
    }
    return 0;
}

/* Not in init(), as filters may be made for a look at the graph alone. */
static int config_input(AVFilterLink *inlink)
{
    AVFilterContext *ctx = inlink->dst;
    SidelightContext *s  = ctx->priv;
    SidelightDecoderSettings settings = { 0 };
    int ret;

    sidelight_decoder_close(&s->decoder);
    sidelight_decoder_close(&s->base);
    sidelight_decoder_close(&s->pass);
    s->state = NO_PAYLOAD;

    settings.threads      = 1; // slice threads do the work
    settings.skip_binding = s->skip_binding;
    settings.model_size   = s->model_size;
    if ((ret = sidelight_decoder_open(&settings, &s->decoder)) < 0 ||
        (ret = sidelight_decoder_open(&settings, &s->pass)) < 0)
        return external(ctx, ret);

    if (s->file) {
        if ((ret = read_jpeg(ctx)) < 0)
            return ret;
    } else {
        /* x265's usual distances, if nobody knows better; 0 leaves pictures of a type as they are */
        s->params.codec = SIDELIGHT_CODEC_HEVC;
        s->params.qp[0] = s->qp_i >= 0 ? s->qp_i : s->qp > 0 ? FFMAX(s->qp - 3, 1)  : 0;
        s->params.qp[1] = FFMAX(s->qp, 0);
        s->params.qp[2] = s->qp_b >= 0 ? s->qp_b : s->qp > 0 ? FFMIN(s->qp + 2, 51) : 0;
    }
    if (s->fallback == FALLBACK_BASE && (!s->file || s->state == NO_PAYLOAD)) {
        if ((ret = sidelight_decoder_open(&settings, &s->base)) < 0 ||
            (ret = sidelight_decoder_set_mode(s->base, SIDELIGHT_MODE_BASE, &s->params)) < 0)
            return external(ctx, ret);
    }
    return 0;
}

static av_cold void uninit(AVFilterContext *ctx)
{
    SidelightContext *s = ctx->priv;

    if (s->filtered || s->passed)
        av_log(ctx, AV_LOG_VERBOSE, "%"PRId64" pictures filtered, %"PRId64" passed on\n",
               s->filtered, s->passed);
    sidelight_decoder_close(&s->decoder);
    sidelight_decoder_close(&s->base);
    sidelight_decoder_close(&s->pass);
    av_freep(&s->messages);
    av_freep(&s->sizes);
}

static const AVFilterPad sidelight_inputs[] = {
    {
        .name         = "default",
        .type         = AVMEDIA_TYPE_VIDEO,
        .config_props = config_input,
        .filter_frame = filter_frame,
    },
};

static const AVFilterPad sidelight_outputs[] = {
    {
        .name = "default",
        .type = AVMEDIA_TYPE_VIDEO,
    },
};

#define DESCRIPTION NULL_IF_CONFIG_SMALL("Remove compression artifacts as the stream's payloads say.")
/* Disabled frames still bring payloads for those that follow: the filter sees them all. */
#define FILTER_FLAGS (AVFILTER_FLAG_SUPPORT_TIMELINE_INTERNAL | AVFILTER_FLAG_SLICE_THREADS)

#if LIBAVFILTER_VERSION_MAJOR < 11
const AVFilter ff_vf_sidelight = {
    .name          = "sidelight",
    .description   = DESCRIPTION,
    .priv_class    = &sidelight_class,
    .flags         = FILTER_FLAGS,
#else
const FFFilter ff_vf_sidelight = {
    .p.name        = "sidelight",
    .p.description = DESCRIPTION,
    .p.priv_class  = &sidelight_class,
    .p.flags       = FILTER_FLAGS,
#endif
    .priv_size     = sizeof(SidelightContext),
    .init          = init,
    .uninit        = uninit,
    FILTER_INPUTS(sidelight_inputs),
    FILTER_OUTPUTS(sidelight_outputs),
    .process_command = ff_filter_process_command,
#ifdef FILTER_QUERY_FUNC2
    FILTER_QUERY_FUNC2(query_formats),
#else
    FILTER_QUERY_FUNC(query_formats),
#endif
};
