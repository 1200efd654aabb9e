/* Streams of NAL units: small golden streams, their damages, and wrong arguments. */
#include "check.h"
#include "sidelight.h"

#include <string.h>

struct file {
    const char *name;
    uint32_t codec;
    uint32_t length_bytes;
    int units;
    int irap;
    uint8_t *data;
    size_t size;
};

static struct file files[] = {
    {.name = "h264.bit", .codec = SIDELIGHT_NAL_CODEC_H264, .units = 4, .irap = 2},
    {.name = "hevc.bit", .codec = SIDELIGHT_NAL_CODEC_HEVC, .units = 4, .irap = 2},
    {.name = "vvc.bit", .codec = SIDELIGHT_NAL_CODEC_VVC, .units = 4, .irap = 2},
    {.name = "hevc_sample.bin",
     .codec = SIDELIGHT_NAL_CODEC_HEVC,
     .length_bytes = 4,
     .units = 1,
     .irap = 1},
};
enum { FILES = sizeof files / sizeof *files };

static const int invalid = SIDELIGHT_ERROR_INVALID_ARGUMENT;
static const int corrupt = SIDELIGHT_ERROR_CORRUPT;
static const uint8_t payload[] = {0x02, 'p', 'a', 'y', 0, 0, 0, 0, 1, 0, 0, 3, 0};

static void load(struct file *f, const char *folder)
{
    char path[1000];
    snprintf(path, sizeof path, "%s/%s", folder, f->name);
    FILE *in = fopen(path, "rb");
    if (!in) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    f->data = malloc(1 << 16);
    f->size = fread(f->data, 1, 1 << 16, in);
    fclose(in);
    /* Exactly as long as the file, so that a memory checker sees reads beyond it. */
    f->data = realloc(f->data, f->size);
}

static SidelightStream *open_stream(uint32_t codec, uint32_t length_bytes)
{
    const SidelightStreamSettings settings = {.codec = codec, .length_bytes = length_bytes};
    SidelightStream *stream = NULL;
    REQUIRE(sidelight_stream_open(&settings, &stream) == 0);
    REQUIRE(stream != NULL);
    return stream;
}

static bool is_untouched(const void *bytes, size_t n)
{
    const uint8_t *b = bytes;
    for (size_t i = 0; i < n; i++) {
        if (b[i] != 0x5A) return false;
    }
    return true;
}

/* What came of a stream whose units went through a call of rewrite. */
struct result {
    int error;
    int units;
    int pictures;
    int irap;
    int payloads;
    uint8_t *data;
    size_t size;
};

static void append(struct result *r, const uint8_t *data, size_t size)
{
    if (!size) return;
    r->data = realloc(r->data, r->size + size);
    if (!r->data) abort();
    memcpy(r->data + r->size, data, size);
    r->size += size;
}

/* The payload is one of the messages, of which there are as many as payloads. */
static void check_messages(const SidelightAccessUnit *unit)
{
    CHECK((unit->payloads > 0) == (unit->messages != NULL));
    CHECK((unit->payloads > 0) == (unit->message_sizes != NULL));
    bool found = unit->payloads == 0;
    for (uint32_t i = 0; i < unit->payloads; i++) {
        const uint8_t *message = unit->messages[i];
        const size_t size = unit->message_sizes[i];
        REQUIRE(size > sizeof SIDELIGHT_SEI_UUID);
        CHECK(!memcmp(message, SIDELIGHT_SEI_UUID, sizeof SIDELIGHT_SEI_UUID));
        found = found || (size - sizeof SIDELIGHT_SEI_UUID == unit->payload_size &&
                          !memcmp(message + sizeof SIDELIGHT_SEI_UUID, unit->payload, unit->payload_size));
    }
    CHECK(found);
}

/* Takes all units that there are; the last result of next. */
static int take(SidelightStream *stream, struct result *r, const uint8_t *with, size_t with_size)
{
    for (;;) {
        SidelightAccessUnit unit;
        memset(&unit, 0x5A, sizeof unit);
        const int rc = sidelight_stream_next(stream, &unit);
        if (rc != 1) {
            CHECK(is_untouched(&unit, sizeof unit));
            SidelightBuffer none = {0};
            CHECK_INT(sidelight_stream_rewrite(stream, NULL, 0, &none), invalid);
            return rc;
        }
        CHECK(unit.data && unit.size > 0);
        CHECK((unit.payloads > 0) == (unit.payload != NULL));
        CHECK((unit.payloads > 0) == (unit.payload_size > 0));
        CHECK(unit.irap <= unit.has_picture && unit.has_picture <= 1);
        for (size_t i = 0; i < sizeof unit.reserved; i++) CHECK(unit.reserved[i] == 0);
        check_messages(&unit);
        r->units++;
        r->pictures += (int)unit.has_picture;
        r->irap += (int)unit.irap;
        if (unit.payload_size == sizeof payload && !memcmp(unit.payload, payload, sizeof payload)) {
            r->payloads++;
        }
        SidelightBuffer out = {0};
        const bool put = with && unit.has_picture;
        CHECK_INT(sidelight_stream_rewrite(stream, put ? with : NULL, put ? with_size : 0, &out), 0);
        append(r, out.data, out.size);
        sidelight_buffer_unref(&out);
    }
}

static struct result run(uint32_t codec, uint32_t length_bytes, const uint8_t *data, size_t size,
                         size_t chunk, const uint8_t *with, size_t with_size)
{
    SidelightStream *stream = open_stream(codec, length_bytes);
    struct result r = {0};
    for (size_t at = 0; at < size && r.error == 0; at += chunk) {
        const size_t n = size - at < chunk ? size - at : chunk;
        /* A copy that ends where its memory ends. */
        uint8_t *piece = malloc(n);
        if (!piece) abort();
        memcpy(piece, data + at, n);
        CHECK_INT(sidelight_stream_push(stream, piece, n), 0);
        free(piece);
        r.error = take(stream, &r, with, with_size);
    }
    if (r.error == 0) {
        CHECK_INT(sidelight_stream_push(stream, NULL, 0), 0);
        r.error = take(stream, &r, with, with_size);
    }
    sidelight_stream_close(&stream);
    CHECK(stream == NULL);
    sidelight_stream_close(&stream);
    return r;
}

static void round_trip(const struct file *f)
{
    static const size_t chunks[] = {1, 7, 100, 1 << 16};
    for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
        const size_t chunk = f->length_bytes ? 1 << 16 : chunks[i];
        struct result plain = run(f->codec, f->length_bytes, f->data, f->size, chunk, NULL, 0);
        CHECK_INT(plain.error, 0);
        CHECK_INT(plain.units, f->units);
        CHECK_INT(plain.pictures, f->units);
        CHECK_INT(plain.irap, f->irap);
        CHECK_INT(plain.payloads, 0);
        CHECK(plain.size == f->size && !memcmp(plain.data, f->data, f->size));

        struct result with =
            run(f->codec, f->length_bytes, f->data, f->size, chunk, payload, sizeof payload);
        CHECK_INT(with.error, 0);
        CHECK(with.size > f->size + (size_t)f->units * (sizeof payload + 16));
        /* Another takes its place, and none. */
        struct result again =
            run(f->codec, f->length_bytes, with.data, with.size, chunk, payload, 3);
        CHECK_INT(again.payloads, f->units);
        struct result removed =
            run(f->codec, f->length_bytes, again.data, again.size, chunk, NULL, 0);
        CHECK_INT(removed.units, f->units);
        CHECK_INT(removed.payloads, 0);
        CHECK(removed.size == f->size && !memcmp(removed.data, f->data, f->size));
        free(plain.data);
        free(with.data);
        free(again.data);
        free(removed.data);
    }
}

/* Appends a unit with these payloads of a byte each. */
static size_t put_unit(uint8_t *bytes, size_t n, const char *payloads)
{
    static const uint8_t head[] = {0, 0, 1, 39 << 1, 1, 5, 17}, slice[] = {0, 0, 1, 2, 1, 0x80};
    for (; *payloads; payloads++) {
        memcpy(bytes + n, head, sizeof head);
        memcpy(bytes + n + sizeof head, SIDELIGHT_SEI_UUID, sizeof SIDELIGHT_SEI_UUID);
        n += sizeof head + sizeof SIDELIGHT_SEI_UUID;
        bytes[n++] = (uint8_t)*payloads;
        bytes[n++] = 0x80;
    }
    memcpy(bytes + n, slice, sizeof slice);
    return n + sizeof slice;
}

/* Reads a whole stream of units with `payloads`, and finds `own` to be theirs. */
static void finds(SidelightStream *stream, const char *const *payloads, const char *own)
{
    uint8_t bytes[1000];
    size_t n = 0;
    for (size_t i = 0; own[i]; i++) n = put_unit(bytes, n, payloads[i]);
    CHECK_INT(sidelight_stream_push(stream, bytes, n), 0);
    for (size_t i = 0; own[i]; i++) {
        if (!own[i + 1]) CHECK_INT(sidelight_stream_push(stream, NULL, 0), 0);
        SidelightAccessUnit unit;
        REQUIRE(sidelight_stream_next(stream, &unit) == 1);
        CHECK_INT(unit.payloads, strlen(payloads[i]));
        CHECK_INT(unit.payload ? unit.payload[0] : '-', own[i]);
        CHECK_INT(unit.payload_size, own[i] != '-');
        check_messages(&unit);
        for (uint32_t k = 0; k < unit.payloads; k++) {
            CHECK_INT(unit.message_sizes[k], sizeof SIDELIGHT_SEI_UUID + 1);
            CHECK_INT(unit.messages[k][sizeof SIDELIGHT_SEI_UUID], payloads[i][k]);
        }
    }
    SidelightAccessUnit unit;
    CHECK_INT(sidelight_stream_next(stream, &unit), 0);
}

/* Several payloads in a unit: the last that is no copy of the stream's first. */
static void duplicates(void)
{
    static const char *const copies_behind[] = {"a", "", "ba", "ca", "a", "aa", "daa"};
    static const char *const copies_in_front[] = {"a", "", "ab", "ac", "a", "aa", "aad"};
    static const char *const others[] = {"xyz", "xyzb", "ybz", "zyx"};
    SidelightStream *stream = open_stream(SIDELIGHT_NAL_CODEC_HEVC, 0);
    finds(stream, copies_behind, "a-bcaad");
    /* From another place; what the first payload was is known. */
    finds(stream, copies_behind + 2, "bcaad");
    finds(stream, copies_in_front + 2, "bcaad");
    sidelight_stream_close(&stream);
    stream = open_stream(SIDELIGHT_NAL_CODEC_HEVC, 0);
    finds(stream, copies_in_front, "a-bcaad");
    sidelight_stream_close(&stream);
    /* A stream that begins in the middle: its first unit may hold copies as well. */
    stream = open_stream(SIDELIGHT_NAL_CODEC_HEVC, 0);
    finds(stream, copies_behind + 2, "acaad");
    sidelight_stream_close(&stream);
    stream = open_stream(SIDELIGHT_NAL_CODEC_HEVC, 0);
    finds(stream, others, "zbbx");
    sidelight_stream_close(&stream);

    uint8_t bytes[200], slice[10];
    const size_t n = put_unit(bytes, 0, "abc"), bare = put_unit(slice, 0, "");
    stream = open_stream(SIDELIGHT_NAL_CODEC_HEVC, 0);
    SidelightAccessUnit unit;
    CHECK_INT(sidelight_stream_push(stream, bytes, n), 0);
    CHECK_INT(sidelight_stream_next(stream, &unit), 0);
    CHECK_INT(sidelight_stream_push(stream, NULL, 0), 0);
    REQUIRE(sidelight_stream_next(stream, &unit) == 1);
    SidelightBuffer out = {0};
    CHECK_INT(sidelight_stream_rewrite(stream, NULL, 0, &out), 0);
    CHECK(out.size == bare && !memcmp(out.data, slice, bare));
    sidelight_buffer_unref(&out);
    sidelight_stream_close(&stream);
}

static void arguments(const struct file *f)
{
    SidelightStreamSettings settings = {.codec = f->codec};
    SidelightStream *stream = NULL;
    CHECK_INT(sidelight_stream_open(NULL, &stream), invalid);
    CHECK_INT(sidelight_stream_open(&settings, NULL), invalid);
    static const uint32_t codecs[] = {0, 4, 255, UINT32_MAX};
    for (size_t i = 0; i < sizeof codecs / sizeof *codecs; i++) {
        settings.codec = codecs[i];
        CHECK_INT(sidelight_stream_open(&settings, &stream), invalid);
    }
    settings.codec = f->codec;
    static const uint32_t lengths[] = {3, 5, 8, 256, UINT32_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        settings.length_bytes = lengths[i];
        CHECK_INT(sidelight_stream_open(&settings, &stream), invalid);
    }
    settings.length_bytes = 0;
    for (size_t i = 0; i < sizeof settings.reserved / sizeof *settings.reserved; i++) {
        settings.reserved[i] = 1;
        CHECK_INT(sidelight_stream_open(&settings, &stream), invalid);
        settings.reserved[i] = 0;
    }
    CHECK(stream == NULL);

    SidelightAccessUnit unit;
    memset(&unit, 0x5A, sizeof unit);
    SidelightBuffer out;
    memset(&out, 0x5A, sizeof out);
    CHECK_INT(sidelight_stream_push(NULL, f->data, f->size), invalid);
    CHECK_INT(sidelight_stream_next(NULL, &unit), invalid);
    CHECK_INT(sidelight_stream_rewrite(NULL, payload, sizeof payload, &out), invalid);
    REQUIRE(sidelight_stream_open(&settings, &stream) == 0);
    CHECK_INT(sidelight_stream_push(stream, NULL, f->size), invalid);
    CHECK_INT(sidelight_stream_push(stream, f->data, SIZE_MAX), invalid);
    CHECK_INT(sidelight_stream_next(stream, NULL), invalid);
    CHECK_INT(sidelight_stream_next(stream, &unit), 0);
    CHECK_INT(sidelight_stream_rewrite(stream, payload, sizeof payload, &out), invalid);
    CHECK_INT(sidelight_stream_push(stream, f->data, f->size), 0);
    CHECK_INT(sidelight_stream_rewrite(stream, payload, sizeof payload, &out), invalid);
    CHECK(is_untouched(&unit, sizeof unit));
    CHECK_INT(sidelight_stream_next(stream, &unit), 1);
    CHECK_INT(sidelight_stream_rewrite(stream, payload, sizeof payload, NULL), invalid);
    CHECK_INT(sidelight_stream_rewrite(stream, NULL, sizeof payload, &out), invalid);
    CHECK_INT(sidelight_stream_rewrite(stream, payload, 0, &out), invalid);
    CHECK_INT(sidelight_stream_rewrite(stream, payload, SIZE_MAX, &out), invalid);
    const size_t too_large = SIDELIGHT_MAX_PAYLOAD + 1;
    uint8_t *large = calloc(too_large, 1);
    if (!large) abort();
    CHECK_INT(sidelight_stream_rewrite(stream, large, too_large, &out), SIDELIGHT_ERROR_TOO_LARGE);
    CHECK(is_untouched(&out, sizeof out));
    CHECK_INT(sidelight_stream_rewrite(stream, large, too_large - 1, &out), 0);
    sidelight_buffer_unref(&out);
    free(large);

    /* A push ends the unit; the end of the stream must be taken before another begins. */
    CHECK_INT(sidelight_stream_push(stream, NULL, 0), 0);
    CHECK_INT(sidelight_stream_push(stream, f->data, f->size), invalid);
    while (sidelight_stream_next(stream, &unit) == 1) {}
    CHECK_INT(sidelight_stream_push(stream, f->data, f->size), 0);
    CHECK_INT(sidelight_stream_next(stream, &unit), 1);
    /* Closed with a unit at hand. */
    sidelight_stream_close(&stream);
    CHECK(stream == NULL);
    sidelight_stream_close(&stream);
    sidelight_stream_close(NULL);
}

/* A sample after a damaged one is none the worse; a byte stream ends with its damage. */
static void recovery(const struct file *stream_file, const struct file *sample)
{
    SidelightAccessUnit unit;
    SidelightStream *stream = open_stream(sample->codec, sample->length_bytes);
    CHECK_INT(sidelight_stream_push(stream, sample->data, sample->size - 1), 0);
    CHECK_INT(sidelight_stream_next(stream, &unit), corrupt);
    CHECK_INT(sidelight_stream_next(stream, &unit), 0);
    CHECK_INT(sidelight_stream_push(stream, sample->data, sample->size), 0);
    CHECK_INT(sidelight_stream_push(stream, sample->data, sample->size), invalid);
    CHECK_INT(sidelight_stream_next(stream, &unit), 1);
    CHECK_INT(sidelight_stream_push(stream, sample->data, sample->size), 0);
    sidelight_stream_close(&stream);

    stream = open_stream(stream_file->codec, 0);
    CHECK_INT(sidelight_stream_push(stream, payload, 1), 0);
    CHECK_INT(sidelight_stream_next(stream, &unit), corrupt);
    CHECK_INT(sidelight_stream_next(stream, &unit), corrupt);
    CHECK_INT(sidelight_stream_push(stream, stream_file->data, stream_file->size), corrupt);
    sidelight_stream_close(&stream);
}

/* Every byte changed, with a payload in the stream. */
static void damages(const struct file *f)
{
    struct result with =
        run(f->codec, f->length_bytes, f->data, f->size, 1 << 16, payload, sizeof payload);
    static const uint8_t values[] = {0x00, 0x01, 0x03, 0x80, 0xFF};
    const size_t step = check_quick() ? 29 : 1;
    for (size_t at = 0; at < with.size; at += step) {
        const uint8_t was = with.data[at];
        for (size_t v = 0; v < sizeof values; v++) {
            with.data[at] = values[v];
            const size_t chunk = f->length_bytes ? 1 << 16 : 1 + at % 50;
            struct result r =
                run(f->codec, f->length_bytes, with.data, with.size, chunk, payload, 5);
            CHECK(r.error == 0 || r.error == corrupt);
            struct result plain =
                run(f->codec, f->length_bytes, r.data, r.size, 1 << 16, NULL, 0);
            CHECK(plain.units >= r.units - 1);
            free(r.data);
            free(plain.data);
        }
        with.data[at] = was;
    }
    for (size_t size = 0; size < with.size; size += step) {
        struct result r = run(f->codec, f->length_bytes, with.data, size, 1 << 16, NULL, 0);
        CHECK(r.error == 0 || r.error == corrupt);
        CHECK(r.size <= size);
        free(r.data);
    }
    free(with.data);
}

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : "../tests/data/nal";
    for (int i = 0; i < FILES; i++) {
        load(&files[i], folder);
        round_trip(&files[i]);
        damages(&files[i]);
    }
    duplicates();
    arguments(&files[1]);
    recovery(&files[1], &files[3]);
    for (int i = 0; i < FILES; i++) free(files[i].data);
    return check_finish();
}
