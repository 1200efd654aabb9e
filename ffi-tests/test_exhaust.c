/* Whichever allocation fails, calls of the decoder's side and the optimiser return SIDELIGHT_ERROR_OUT_OF_MEMORY and
 * write nothing; made again, with the same handles, they do what they always do. Takes the folder of test data. */
#include "check.h"
#include "coded.h"
#include "failing.h"

#include <malloc.h>
#include <string.h>

/* ---- Failures ---- */

/* The next allocation that fails is the library's number `next` of a job; below 0: none does. */
static long next = -1;
static bool has_failed;
static int result;

/* What no failing call may write to. */
static const void *watched;
static size_t watched_size;
static uint8_t before[512];

static void watch(const void *output, size_t size)
{
    REQUIRE(size <= sizeof before);
    watched = output;
    watched_size = size;
    memcpy(before, output, size);
}

static void arm(void)
{
    atomic_store(&failures, 0);
    atomic_store(&left, next);
}

/* Whether an allocation failed in the call that came to `rc`; no other will in this job. */
static bool disarm(int rc)
{
    next = atomic_load(&left);
    atomic_store(&left, -1);
    result = rc;
    if (!atomic_load(&failures)) return false;
    has_failed = true;
    next = -1;
    return true;
}

/* Whether the call that came to `rc` must be made again. `spared`: it may do without the memory. */
static bool out_of_memory(int rc, bool spared, const char *call, int line)
{
    const void *output = watched;
    watched = NULL;
    if (!disarm(rc) || (spared && rc != SIDELIGHT_ERROR_OUT_OF_MEMORY)) return false;
    check_that(rc == SIDELIGHT_ERROR_OUT_OF_MEMORY, __FILE__, line, "%s: %d", call, rc);
    if (output) CHECK(!memcmp(before, output, watched_size));
    return true;
}

/* Makes a call, again where memory was lacking. */
#define TRY(call) (arm(), out_of_memory((call), false, #call, __LINE__) ? (call) : result)
/* Makes a call that goes on without the memory that it would keep for the next, or for words. */
#define DO(call) (arm(), out_of_memory((call), true, #call, __LINE__) ? (call) : result)
#define CLOSE(call) (arm(), (call), CHECK(!disarm(0)))

/* ---- What is done ---- */

enum { FILES = 15, TEXT = 300 };

struct bytes {
    uint8_t *data;
    size_t size;
};

struct world {
    struct bytes files[FILES];
    struct bytes update; /* a payload for the picture */
    struct coded c;
    struct frame out, deep;
};

static const char *const names[FILES] = {
    "jpeg/yuv420.jpg",     "jpeg/progressive420.jpg", "jpeg/gainmap.jpg",       "jpeg/metadata.jpg",
    "jpeg/arithmetic.jpg", "payload/typical.bin",     "nal/payload.bin",        "nal/h264_payload.bit",
    "nal/hevc.bit",        "nal/hevc_payload.bit",    "nal/hevc_mixed.bit",     "nal/hevc_open_gop.bit",
    "nal/vvc_payload.bit", "nal/hevc_sample.bin",     "nal/hevc_sample_payload.bin",
};
enum { JPEGS = 5, NALS = 7 };

static uint64_t hash;

static void mix(const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) hash = (hash ^ ((const uint8_t *)bytes)[i]) * 0x100000001B3u;
}

static void mix_int(long long n)
{
    mix(&n, sizeof n);
}

static const SidelightBuffer untouched = {(uint8_t *)&hash, 7};

/* Takes in a result and what came with it. */
static void mix_buffer(int rc, SidelightBuffer *buffer)
{
    mix_int(rc);
    if (rc < 0) {
        CHECK(!memcmp(buffer, &untouched, sizeof untouched));
        return;
    }
    mix(buffer->data, buffer->size);
    CLOSE(sidelight_buffer_unref(buffer));
}

static void jpeg(const struct world *w)
{
    for (int i = 0; i < JPEGS; i++) {
        const struct bytes *f = &w->files[i];
        SidelightBuffer out = untouched, with = untouched;
        SidelightCodecParams params;
        memset(&params, 7, sizeof params);
        watch(&params, sizeof params);
        mix_int(TRY(sidelight_jpeg_read(f->data, f->size, &params, NULL)));
        mix(&params, sizeof params);
        watch(&with, sizeof with);
        int rc = TRY(sidelight_jpeg_rewrite(f->data, f->size, w->update.data, w->update.size, &with));
        if (rc < 0) rc = TRY(sidelight_jpeg_rewrite_anyway(f->data, f->size, w->update.data, w->update.size, &with));
        if (rc == 0) {
            watch(&out, sizeof out);
            mix_buffer(TRY(sidelight_jpeg_rewrite_anyway(with.data, with.size, NULL, 0, &out)), &out);
            out = untouched;
            watch(&out, sizeof out);
            mix_buffer(TRY(sidelight_jpeg_rewrite_anyway(with.data, with.size, f->data, 1000, &out)), &out);
            out = untouched;
            watch(&out, sizeof out);
            mix_buffer(TRY(sidelight_jpeg_read(with.data, with.size, NULL, &out)), &out);
        }
        mix_buffer(rc, &with);
    }
    SidelightPicture luma = w->c.decoded.picture;
    luma.layout = SIDELIGHT_LAYOUT_I400;
    mix_int(TRY(sidelight_jpeg_check_planes(w->c.jpeg, w->c.jpeg_size, &luma)));
    const SidelightPicture other = w->c.original.picture;
    mix_int(DO(sidelight_jpeg_check_planes(w->c.jpeg, w->c.jpeg_size, &other)));
}

static void payload(const struct world *w)
{
    uint8_t base[8] = {1}, wrong[40];
    const struct bytes all[] = {w->update, w->files[5], w->files[6], {base, sizeof base}};
    payload_repair(base, sizeof base, 0);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        SidelightPayloadInfo info;
        memset(&info, 7, sizeof info);
        watch(&info, sizeof info);
        mix_int(TRY(sidelight_payload_probe(all[i].data, all[i].size, &info)));
        mix(&info, sizeof info);
    }
    memcpy(wrong, w->update.data, sizeof wrong);
    payload_repair(wrong, sizeof wrong, 0);
    SidelightPayloadInfo info;
    mix_int(TRY(sidelight_payload_probe(wrong, sizeof wrong, &info)));
    mix_int(TRY(sidelight_payload_bind(base, sizeof base, &w->c.decoded.picture)));
    mix(base, sizeof base);
}

/* Through a stream in two pushes; each unit as it is, with another payload and without any. */
static void stream_of(const struct world *w, const struct bytes *f, uint32_t codec, uint32_t length_bytes)
{
    const SidelightStreamSettings settings = {.codec = codec, .length_bytes = length_bytes};
    SidelightStream *stream = NULL;
    watch(&stream, sizeof stream);
    REQUIRE(TRY(sidelight_stream_open(&settings, &stream)) == 0);
    const size_t first = length_bytes ? f->size : f->size / 2;
    mix_int(TRY(sidelight_stream_push(stream, f->data, first)));
    if (first < f->size) mix_int(TRY(sidelight_stream_push(stream, f->data + first, f->size - first)));
    mix_int(TRY(sidelight_stream_push(stream, NULL, 0)));
    SidelightAccessUnit unit;
    memset(&unit, 7, sizeof unit);
    for (int rc; watch(&unit, sizeof unit), (rc = TRY(sidelight_stream_next(stream, &unit))) != 0;) {
        mix_int(rc);
        if (rc < 0) break;
        mix(unit.data, unit.size);
        mix(unit.payload, unit.payload_size);
        for (uint32_t i = 0; i < unit.payloads; i++) mix(unit.messages[i], unit.message_sizes[i]);
        SidelightBuffer out = untouched;
        watch(&out, sizeof out);
        mix_buffer(TRY(sidelight_stream_rewrite(stream, w->update.data, w->update.size, &out)), &out);
        out = untouched;
        watch(&out, sizeof out);
        mix_buffer(TRY(sidelight_stream_rewrite(stream, NULL, 0, &out)), &out);
    }
    CLOSE(sidelight_stream_close(&stream));
}

static void streams(const struct world *w)
{
    for (int i = NALS; i < FILES; i++) {
        const uint32_t codec = strstr(names[i], "vvc")    ? SIDELIGHT_NAL_CODEC_VVC
                               : strstr(names[i], "h264") ? SIDELIGHT_NAL_CODEC_H264
                                                          : SIDELIGHT_NAL_CODEC_HEVC;
        stream_of(w, &w->files[i], codec, strstr(names[i], "sample") ? 4 : 0);
    }
}

static void mix_frame(const struct frame *f)
{
    for (int p = 0; p < layout_planes(f->picture.layout); p++) mix(f->memory[p], f->bytes[p]);
}

static void show(const struct world *w, SidelightDecoder *decoder)
{
    struct frame out = w->out, deep = w->deep;
    const SidelightPicture *in = &w->c.decoded.picture;
    frame_clear(&out);
    /* Scratch memory for which the pool has no room is taken anew. */
    mix_int(DO(sidelight_decoder_filter(decoder, in, &out.picture)));
    mix_frame(&out);
    frame_clear(&deep);
    for (uint32_t row = 0; row < in->height; row += 16) {
        const uint32_t end = row + 16 < in->height ? row + 16 : in->height;
        mix_int(TRY(sidelight_decoder_filter_band(decoder, in, &deep.picture, row, end)));
    }
    mix_frame(&deep);
}

static SidelightDecoder *open_decoder(uint32_t size, uint32_t skip_binding)
{
    const SidelightDecoderSettings settings = {.threads = 1, .model_size = size, .skip_binding = skip_binding};
    SidelightDecoder *decoder = NULL;
    watch(&decoder, sizeof decoder);
    REQUIRE(TRY(sidelight_decoder_open(&settings, &decoder)) == 0);
    return decoder;
}

static void decoder(const struct world *w)
{
    SidelightDecoder *decoder = open_decoder(SIDELIGHT_MODEL_SIZE_DEFAULT, 0);
    const SidelightCodecParams *params = &w->c.params;
    show(w, decoder);
    mix_int(TRY(sidelight_decoder_set_payload(decoder, w->update.data, w->update.size, params)));
    show(w, decoder);
    mix_int(TRY(sidelight_decoder_set_strength(decoder, 20)));
    show(w, decoder);
    mix_int(TRY(sidelight_decoder_set_mode(decoder, SIDELIGHT_MODE_BASE, params)));
    show(w, decoder);
    mix_int(TRY(sidelight_decoder_set_mode(decoder, SIDELIGHT_MODE_OFF, NULL)));
    show(w, decoder);
    CLOSE(sidelight_decoder_close(&decoder));
}

/* Base payloads of models by their ids: of HEVC, and of one whose updates are of single weights. */
static const uint32_t HEVC_ID = 0x37b71c94, SINGLE_WEIGHTS_ID = 0x8c23c15e;

static size_t base_payload(uint8_t out[11], uint32_t id)
{
    const uint8_t all[11] = {1, (uint8_t)id, (uint8_t)(id >> 8), (uint8_t)(id >> 16), (uint8_t)(id >> 24), 0, 0, 0,
                             30, 35, 0};
    memcpy(out, all, sizeof all);
    const size_t size = id == HEVC_ID ? 11 : 8;
    payload_repair(out, size, 0);
    return size;
}

static void sei(const struct world *w)
{
    SidelightDecoder *decoder = open_decoder(SIDELIGHT_MODEL_SIZE_DEFAULT, 0);
    SidelightPicture picture = w->c.decoded.picture;
    uint8_t good[16 + 11], stale[16 + 11];
    memcpy(good, SIDELIGHT_SEI_UUID, 16);
    const size_t size = 16 + base_payload(good + 16, HEVC_ID);
    memcpy(stale, good, size);
    REQUIRE(sidelight_payload_bind(good + 16, size - 16, &picture) == 0);
    /* The decoder looks at `good` last, and at `own` behind it. */
    uint8_t own[16 + 11];
    memcpy(own, good, size);
    own[16 + 8] = 20;
    REQUIRE(!sidelight_payload_probe(good + 16, size - 16, &(SidelightPayloadInfo){0}));
    payload_repair(own + 16, size - 16, 0);
    REQUIRE(sidelight_payload_bind(own + 16, size - 16, &picture) == 0);
    const uint8_t *messages[] = {good, own, stale};
    const size_t sizes[] = {size, size, size};
    for (uint32_t type = 0; type < 2; type++) {
        picture.picture_type = type == 0 ? SIDELIGHT_PICTURE_TYPE_IRAP : SIDELIGHT_PICTURE_TYPE_P;
        mix_int(TRY(sidelight_decoder_set_sei(decoder, &picture, messages, sizes, 3)));
        show(w, decoder);
        /* Alone it is a copy. */
        mix_int(TRY(sidelight_decoder_set_sei(decoder, &picture, messages + 2, sizes, 1)));
        show(w, decoder);
    }
    CLOSE(sidelight_decoder_close(&decoder));
}

/* Better coefficients, and targets, for 16 × 16 samples. */
static void optimise(const struct world *w)
{
    enum { BLOCKS = 4 };
    const SidelightOptimiseSettings settings = {.threads = 1, .effort = 1, .model_size = SIDELIGHT_MODEL_SIZE_SMALL};
    static int16_t blocks[3][BLOCKS * 64];
    static float target[3][BLOCKS * 64], weight[3][BLOCKS * 64], error[3][BLOCKS];
    SidelightPicture original = w->c.original.picture;
    original.width = original.height = 16;
    for (uint32_t layout = SIDELIGHT_LAYOUT_I400; layout <= SIDELIGHT_LAYOUT_I420; layout++) {
        SidelightCoefficients coefficients = {0};
        SidelightTargets targets = {0};
        original.layout = layout;
        memset(blocks, 0, sizeof blocks);
        memset(target, 0, sizeof target);
        memset(weight, 0, sizeof weight);
        memset(error, 0, sizeof error);
        for (int p = 0; p < layout_planes(layout); p++) {
            for (int at = 0; at < BLOCKS * 64; at += 7) blocks[p][at] = (int16_t)(at % 13 - 6);
            coefficients.blocks[p] = blocks[p];
            coefficients.stride[p] = (p ? 1 : 2) * 64 * (ptrdiff_t)sizeof(int16_t);
            targets.target[p] = target[p];
            targets.weight[p] = weight[p];
            targets.error[p] = error[p];
        }
        watch(error, sizeof error);
        mix_int(DO(sidelight_jpeg_targets(&settings, &original, &w->c.params, NULL, 0, &coefficients, &targets)));
        mix(target, sizeof target);
        mix(weight, sizeof weight);
        mix(error, sizeof error);
        watch(blocks, sizeof before);
        const bool update = layout != SIDELIGHT_LAYOUT_I400;
        SidelightOptimiseReport report;
        mix_int(DO(sidelight_jpeg_optimise(&settings, &original, &w->c.params, update ? w->update.data : NULL,
                                           update ? w->update.size : 0, &coefficients, &report)));
        mix(blocks, sizeof blocks);
    }
}

static char said[TEXT];

static void hear(void *user, uint32_t level, const char *message)
{
    (void)user;
    (void)level;
    snprintf(said, sizeof said, "%s", message);
}

/* Without memory the log says less; the result is the same. */
static void log_messages(const struct world *w)
{
    SidelightDecoder *decoder = NULL;
    SidelightDecoderSettings settings = {.threads = 300};
    CLOSE(sidelight_set_log_callback(hear, NULL));
    const int invalid = SIDELIGHT_ERROR_INVALID_ARGUMENT;
    CHECK_INT(DO(sidelight_decoder_open(&settings, &decoder)), invalid);
    CHECK(!strcmp(said, "sidelight_decoder_open: settings->threads is 300, not 0 to 256") ||
          (has_failed && !strcmp(said, "sidelight_decoder_open: invalid argument")));
    settings.threads = 1;
    REQUIRE(sidelight_decoder_open(&settings, &decoder) == 0);
    SidelightPicture other = w->out.picture;
    other.width = 1, other.height = 2, other.layout = 0, other.bit_depth = 16;
    *said = 0;
    CHECK_INT(DO(sidelight_decoder_filter(decoder, &w->c.decoded.picture, &other)), invalid);
    CHECK(!strncmp(said, "sidelight_decoder_filter: ", 26));
    sidelight_set_log_callback(NULL, NULL);
    CLOSE(sidelight_decoder_close(&decoder));
}

/* ---- Every allocation ---- */

struct job {
    const char *name;
    void (*run)(const struct world *w);
};

static uint64_t run(const struct job *job, const struct world *w, long fail)
{
    hash = 0xCBF29CE484222325u;
    has_failed = false;
    next = fail;
    job->run(w);
    next = -1;
    return hash;
}

static void exhaust(const struct job *job, const struct world *w)
{
    const uint64_t expected = run(job, w, -1);
    size_t used = 0;
    for (int all = 0; all < 2; all++) {
        all_that_follow = all != 0;
        /* The first round sets things up for good. The allocator's caches are off: run.sh. */
        used = mallinfo2().uordblks;
        long n = 0;
        for (;; n++) {
            const uint64_t found = run(job, w, n);
            check_that(found == expected, __FILE__, __LINE__, "%s, allocation %ld: other results", job->name, n);
            if (!has_failed) break;
        }
        check_that(n > 0, __FILE__, __LINE__, "%s: no allocation", job->name);
        if (!all) printf("%s: %ld allocations\n", job->name, n);
    }
    all_that_follow = false;
    const size_t now = mallinfo2().uordblks;
    check_that(now <= used, __FILE__, __LINE__, "%s: %zu bytes are lost", job->name, now - used);
}

/* Models are read when they are first asked for: until that is done, each attempt fails one allocation later. */
static void read_models(const struct world *w)
{
    for (uint32_t of = 0; of < 4; of++) {
        uint8_t payload[11];
        const size_t size = base_payload(payload, of == 0 ? HEVC_ID : SINGLE_WEIGHTS_ID);
        SidelightCodecParams params = w->c.params;
        if (of == 0) params.codec = SIDELIGHT_CODEC_HEVC;
        if (of == 3) params.quant[0][0]++; /* no standard table */
        SidelightDecoder *decoder = open_decoder(SIDELIGHT_MODEL_SIZE_LARGE, 1);
        long n = 0;
        for (;; n++) {
            next = n;
            arm();
            const int rc = of < 2 ? sidelight_decoder_set_payload(decoder, payload, size, &params)
                                  : sidelight_decoder_set_mode(decoder, SIDELIGHT_MODE_BASE, &params);
            const bool failed = disarm(rc);
            next = -1;
            struct frame out = w->out;
            CHECK_INT(sidelight_decoder_filter(decoder, &w->c.decoded.picture, &out.picture), 0);
            /* Pictures pass through. */
            CHECK(frame_equal(&out, &w->c.decoded, 0) == failed);
            CHECK_INT(rc, failed ? SIDELIGHT_ERROR_OUT_OF_MEMORY : of < 2 ? SIDELIGHT_MODE_BASE : 0);
            if (!failed) break;
        }
        check_that(n > 100, __FILE__, __LINE__, "model %u: %ld allocations", of, n);
        printf("model %u: %ld allocations\n", of, n);
        sidelight_decoder_close(&decoder);
    }
}

/* ---- Setting up ---- */

static struct bytes load(const char *folder, const char *name)
{
    char path[1000];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *in = fopen(path, "rb");
    if (!in) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    struct bytes f = {malloc(1 << 18), 0};
    f.size = fread(f.data, 1, 1 << 18, in);
    fclose(in);
    return f;
}

static struct bytes update_for(struct coded *c)
{
    SidelightEncoderSettings settings = {.threads = 1, .steps = 2};
    SidelightEncoder *encoder = NULL;
    SidelightBuffer payload = {0};
    SidelightPayloadInfo info;
    c->params.slope_db_per_byte = 1e-6;
    REQUIRE(sidelight_encoder_open(&settings, &encoder) == 0);
    REQUIRE(sidelight_encoder_encode(encoder, &c->original.picture, &c->decoded.picture, 1, &c->params, &payload,
                                     NULL) == 0);
    REQUIRE(sidelight_payload_probe(payload.data, payload.size, &info) == 0);
    REQUIRE(info.mode == SIDELIGHT_MODE_UPDATE && info.update_bytes > 40);
    struct bytes copy = {malloc(payload.size), payload.size};
    memcpy(copy.data, payload.data, payload.size);
    sidelight_buffer_unref(&payload);
    sidelight_encoder_close(&encoder);
    return copy;
}

int main(int argc, char **argv)
{
    REQUIRE(argc == 2);
    struct world w = {0};
    for (int i = 0; i < FILES; i++) w.files[i] = load(argv[1], names[i]);
    w.c = coded_new(SIDELIGHT_LAYOUT_I420, 40, 26, 1, 15);
    w.out = frame_new(SIDELIGHT_LAYOUT_I420, 40, 26, 0, 0);
    w.deep = frame_new(SIDELIGHT_LAYOUT_I420, 2 * 40, 26, 0, 0);
    w.deep.picture.width = 40;
    w.deep.picture.bit_depth = 16;
    w.update = update_for(&w.c);
    read_models(&w);

    static const struct job jobs[] = {
        {"jpeg", jpeg}, {"payload", payload}, {"stream", streams}, {"decoder", decoder}, {"sei", sei}, {"log", log_messages}, {"optimise", optimise},
    };
    for (size_t i = 0; i < sizeof jobs / sizeof *jobs; i++) exhaust(&jobs[i], &w);

    for (int i = 0; i < FILES; i++) free(w.files[i].data);
    free(w.update.data);
    frame_free(&w.out);
    frame_free(&w.deep);
    coded_free(&w.c);
    return check_finish();
}
