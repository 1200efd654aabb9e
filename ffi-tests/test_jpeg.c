/* JPEG carriage: codec parameters, insert, extract, remove. Argument: the folder of the golden files. */
#include "check.h"
#include "sidelight.h"

#include <string.h>

struct file {
    const char *name;
    bool supported; /* by sidelight_jpeg_read() */
    uint8_t *data;
    size_t size;
};

static struct file files[] = {
    {.name = "gray.jpg", .supported = true},
    {.name = "yuv420.jpg", .supported = true},
    {.name = "progressive420.jpg", .supported = true},
    {.name = "restart444.jpg", .supported = true},
    {.name = "odd422.jpg", .supported = true},
    {.name = "odd440.jpg", .supported = true},
    {.name = "odd411.jpg", .supported = true},
    {.name = "metadata.jpg", .supported = true},
    {.name = "arithmetic.jpg", .supported = false},
};
enum { FILES = sizeof files / sizeof *files };

static const uint8_t payload[] = {0x02, 'p', 'a', 'y', 0, 0xFF, 0xD9, 'x', 0xFF};

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

/* A copy that ends where its memory ends. */
static uint8_t *copy(const uint8_t *data, size_t size)
{
    uint8_t *c = malloc(size ? size : 1);
    if (!c) abort();
    if (size) memcpy(c, data, size);
    return c;
}

/* Outputs filled with a pattern, to see that a failing call leaves them alone. */
static SidelightBuffer untouched_buffer(void)
{
    SidelightBuffer b;
    memset(&b, 0x5A, sizeof b);
    return b;
}

static bool is_untouched(const void *bytes, size_t n)
{
    const uint8_t *b = bytes;
    for (size_t i = 0; i < n; i++) {
        if (b[i] != 0x5A) return false;
    }
    return true;
}

static bool same(const SidelightBuffer *b, const uint8_t *data, size_t size)
{
    return b->size == size && b->data && !memcmp(b->data, data, size);
}

static void round_trip(const struct file *f)
{
    SidelightCodecParams before, after;
    memset(&before, 0x5A, sizeof before);
    const int rc = sidelight_jpeg_read(f->data, f->size, &before, NULL);
    if (f->supported) {
        CHECK_INT(rc, 0);
        CHECK_INT(before.codec, SIDELIGHT_CODEC_JPEG);
        CHECK(before.coded_bytes < f->size && before.coded_bytes > f->size / 3);
        CHECK(before.binding != 0);
        CHECK(before.slope_db_per_byte == 0);
        CHECK_INT(before.carriage_bytes, 11);
        CHECK_INT(before.carriage_bytes, SIDELIGHT_JPEG_CARRIAGE_BYTES);
        const bool gray = !strcmp(f->name, "gray.jpg");
        for (int i = 0; i < 64; i++) {
            CHECK(before.quant[0][i] > 0);
            CHECK((before.quant[1][i] == 0) == gray);
        }
        for (size_t i = 0; i < sizeof before.reserved; i++) CHECK(before.reserved[i] == 0);
    } else {
        CHECK_INT(rc, SIDELIGHT_ERROR_UNSUPPORTED);
        CHECK(is_untouched(&before, sizeof before));
    }

    /* Without a payload the result is 0 and the buffer is empty. */
    SidelightBuffer found = untouched_buffer();
    CHECK_INT(sidelight_jpeg_read(f->data, f->size, NULL, &found), 0);
    CHECK(found.data == NULL && found.size == 0);

    found = untouched_buffer();
    memset(&after, 0x5A, sizeof after);
    CHECK_INT(sidelight_jpeg_read(f->data, f->size, &after, &found),
              f->supported ? 0 : SIDELIGHT_ERROR_UNSUPPORTED);
    if (f->supported) {
        CHECK(after.binding == before.binding);
        CHECK(found.data == NULL && found.size == 0);
    } else {
        CHECK(is_untouched(&after, sizeof after));
        CHECK(is_untouched(&found, sizeof found));
    }

    SidelightBuffer with = {0}, removed = {0};
    REQUIRE(sidelight_jpeg_rewrite(f->data, f->size, payload, sizeof payload, &with) == 0);
    CHECK_INT(with.size, f->size + SIDELIGHT_JPEG_CARRIAGE_BYTES + sizeof payload);
    CHECK_INT(sidelight_jpeg_read(with.data, with.size, NULL, &found), 1);
    CHECK(same(&found, payload, sizeof payload));
    CHECK_INT(sidelight_jpeg_rewrite(with.data, with.size, NULL, 0, &removed), 0);
    CHECK(same(&removed, f->data, f->size));
    if (f->supported) {
        SidelightBuffer both = {0};
        CHECK_INT(sidelight_jpeg_read(with.data, with.size, &after, NULL), 0); /* none is wanted */
        CHECK_INT(sidelight_jpeg_read(with.data, with.size, &after, &both), 1);
        CHECK(same(&both, payload, sizeof payload));
        sidelight_buffer_unref(&both);
        CHECK(after.binding == before.binding);
        CHECK(after.coded_bytes == before.coded_bytes);
        CHECK(!memcmp(after.quant, before.quant, sizeof after.quant));
    }

    /* Another payload takes the place of the first. */
    SidelightBuffer again = {0}, found_again = {0};
    CHECK_INT(sidelight_jpeg_rewrite(with.data, with.size, payload, 3, &again), 0);
    CHECK_INT(again.size, f->size + 2 + 9 + 3);
    CHECK_INT(sidelight_jpeg_read(again.data, again.size, NULL, &found_again), 1);
    CHECK(same(&found_again, payload, 3));

    SidelightBuffer *all[] = {&with, &removed, &found, &again, &found_again};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        sidelight_buffer_unref(all[i]);
        CHECK(all[i]->data == NULL && all[i]->size == 0);
        sidelight_buffer_unref(all[i]);
        CHECK(all[i]->data == NULL && all[i]->size == 0);
    }
}

static void large_payloads(const struct file *f)
{
    static const size_t sizes[] = {1, SIDELIGHT_MAX_PAYLOAD - 1, SIDELIGHT_MAX_PAYLOAD};
    const size_t too_large = SIDELIGHT_MAX_PAYLOAD + 1;
    CHECK_INT(SIDELIGHT_MAX_PAYLOAD, 65526);
    uint8_t *large = malloc(too_large);
    if (!large) abort();
    for (size_t i = 0; i < too_large; i++) large[i] = (uint8_t)(i * 31 % 251);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        SidelightBuffer with = {0}, found = {0}, removed = {0};
        REQUIRE(sidelight_jpeg_rewrite(f->data, f->size, large, sizes[i], &with) == 0);
        CHECK_INT(sidelight_jpeg_read(with.data, with.size, NULL, &found), 1);
        CHECK(same(&found, large, sizes[i]));
        CHECK_INT(sidelight_jpeg_rewrite(with.data, with.size, NULL, 0, &removed), 0);
        CHECK(same(&removed, f->data, f->size));
        sidelight_buffer_unref(&with);
        sidelight_buffer_unref(&found);
        sidelight_buffer_unref(&removed);
    }
    SidelightBuffer out = untouched_buffer();
    CHECK_INT(sidelight_jpeg_rewrite(f->data, f->size, large, too_large, &out),
              SIDELIGHT_ERROR_TOO_LARGE);
    CHECK(is_untouched(&out, sizeof out));
    free(large);
}

static void arguments(const struct file *f)
{
    const int invalid = SIDELIGHT_ERROR_INVALID_ARGUMENT;
    const int corrupt = SIDELIGHT_ERROR_CORRUPT;
    SidelightCodecParams params;
    memset(&params, 0x5A, sizeof params);
    SidelightBuffer out = untouched_buffer();

    CHECK_INT(sidelight_jpeg_read(NULL, f->size, &params, NULL), invalid);
    CHECK_INT(sidelight_jpeg_read(f->data, f->size, NULL, NULL), invalid);
    CHECK_INT(sidelight_jpeg_read(f->data, 0, &params, NULL), corrupt);
    CHECK_INT(sidelight_jpeg_read(NULL, 0, &params, NULL), corrupt);
    CHECK_INT(sidelight_jpeg_read(f->data, SIZE_MAX, &params, NULL), invalid);

    CHECK_INT(sidelight_jpeg_rewrite(NULL, f->size, payload, sizeof payload, &out), invalid);
    CHECK_INT(sidelight_jpeg_rewrite(f->data, f->size, NULL, sizeof payload, &out), invalid);
    CHECK_INT(sidelight_jpeg_rewrite(f->data, f->size, payload, sizeof payload, NULL), invalid);
    CHECK_INT(sidelight_jpeg_rewrite(f->data, f->size, payload, 0, &out), invalid);
    CHECK_INT(sidelight_jpeg_rewrite(f->data, 0, payload, sizeof payload, &out), corrupt);
    CHECK_INT(sidelight_jpeg_rewrite(NULL, 0, payload, sizeof payload, &out), corrupt);
    static const uint8_t any[] = {0xFF, 1}; /* a payload's bytes are not looked at */
    SidelightBuffer with = {0};
    CHECK_INT(sidelight_jpeg_rewrite(f->data, f->size, any, sizeof any, &with), 0);
    sidelight_buffer_unref(&with);

    CHECK_INT(sidelight_jpeg_read(NULL, f->size, NULL, &out), invalid);
    CHECK_INT(sidelight_jpeg_read(f->data, f->size, NULL, NULL), invalid);
    CHECK_INT(sidelight_jpeg_read(f->data, 0, NULL, &out), corrupt);
    CHECK_INT(sidelight_jpeg_read(NULL, 0, NULL, &out), corrupt);

    CHECK_INT(sidelight_jpeg_rewrite(NULL, f->size, NULL, 0, &out), invalid);
    CHECK_INT(sidelight_jpeg_rewrite(f->data, f->size, NULL, 0, NULL), invalid);
    CHECK_INT(sidelight_jpeg_rewrite(f->data, 0, NULL, 0, &out), corrupt);
    CHECK_INT(sidelight_jpeg_rewrite(NULL, 0, NULL, 0, &out), corrupt);

    CHECK(is_untouched(&params, sizeof params));
    CHECK(is_untouched(&out, sizeof out));
    sidelight_buffer_unref(NULL);
}

/* All calls on bytes that may be anything: 0 and a result, or an error and none. */
static void any_bytes(const uint8_t *data, size_t size)
{
    SidelightCodecParams params;
    memset(&params, 0x5A, sizeof params);
    int rc = sidelight_jpeg_read(data, size, &params, NULL);
    CHECK(rc == 0 || rc == SIDELIGHT_ERROR_CORRUPT || rc == SIDELIGHT_ERROR_UNSUPPORTED);
    CHECK((rc == 0) != is_untouched(&params, sizeof params));

    for (int call = 0; call < 3; call++) {
        SidelightBuffer out = untouched_buffer();
        rc = call == 0   ? sidelight_jpeg_rewrite(data, size, payload, sizeof payload, &out)
             : call == 1 ? sidelight_jpeg_read(data, size, NULL, &out)
                         : sidelight_jpeg_rewrite(data, size, NULL, 0, &out);
        if (call == 1 && rc == 0) { /* there is no payload */
            CHECK(out.size == 0 && out.data == NULL);
        } else if (rc == (call == 1)) {
            CHECK(out.size > 0 && out.data);
            sidelight_buffer_unref(&out);
        } else {
            CHECK(rc == SIDELIGHT_ERROR_CORRUPT || (call != 1 && rc == SIDELIGHT_ERROR_CONFLICT));
            CHECK(is_untouched(&out, sizeof out));
        }
    }
}

static void truncations(const struct file *f)
{
    SidelightBuffer with = {0};
    REQUIRE(sidelight_jpeg_rewrite(f->data, f->size, payload, sizeof payload, &with) == 0);
    const size_t step = check_quick() ? 7 : 1;
    for (size_t size = 0; size <= with.size; size += step) {
        uint8_t *cut = copy(with.data, size);
        any_bytes(cut, size);
        free(cut);
    }
    sidelight_buffer_unref(&with);
}

/* A changed byte before the first scan and in it. */
static void damages(const struct file *f)
{
    SidelightBuffer with = {0};
    REQUIRE(sidelight_jpeg_rewrite(f->data, f->size, payload, sizeof payload, &with) == 0);
    uint8_t *bad = copy(with.data, with.size);
    static const uint8_t values[] = {0x00, 0xFF, 0xDA, 0x01};
    const size_t step = check_quick() ? 29 : 1;
    for (size_t at = 0; at < with.size; at += step) {
        const uint8_t was = bad[at];
        for (size_t v = 0; v < sizeof values; v++) {
            bad[at] = values[v];
            any_bytes(bad, with.size);
        }
        bad[at] = was;
    }
    free(bad);
    sidelight_buffer_unref(&with);
}

/* Two payloads, one behind the other, are none, nor is an empty one: nothing is written. The codec parameters
 * are there for who does not ask for the payload. */
static void no_payloads(const struct file *f)
{
    if (!f->supported) return;
    SidelightBuffer with = {0};
    REQUIRE(sidelight_jpeg_rewrite(f->data, f->size, payload, sizeof payload, &with) == 0);
    const size_t segment = SIDELIGHT_JPEG_CARRIAGE_BYTES + sizeof payload;
    size_t at = 2; /* where it stands */
    while (memcmp(with.data + at + 4, "SLIGHT", 7) != 0) at++;
    uint8_t *twice = malloc(with.size + segment);
    REQUIRE(twice != NULL);
    memcpy(twice, with.data, at + segment);
    memcpy(twice + at + segment, with.data + at, with.size - at);
    uint8_t *empty = malloc(with.size - sizeof payload);
    REQUIRE(empty != NULL);
    memcpy(empty, with.data, at + SIDELIGHT_JPEG_CARRIAGE_BYTES);
    empty[at + 3] = 9;
    memcpy(empty + at + SIDELIGHT_JPEG_CARRIAGE_BYTES, with.data + at + segment, with.size - at - segment);

    const struct {
        const uint8_t *data;
        size_t size;
    } bad[] = {{twice, with.size + segment}, {empty, with.size - sizeof payload}};
    for (int i = 0; i < 2; i++) {
        SidelightBuffer found = untouched_buffer();
        SidelightCodecParams params, plain;
        memset(&params, 0x5A, sizeof params);
        CHECK_INT(sidelight_jpeg_read(bad[i].data, bad[i].size, &params, &found), SIDELIGHT_ERROR_CORRUPT);
        CHECK(is_untouched(&params, sizeof params));
        CHECK(is_untouched(&found, sizeof found));
        CHECK_INT(sidelight_jpeg_read(bad[i].data, bad[i].size, NULL, &found), SIDELIGHT_ERROR_CORRUPT);
        CHECK(is_untouched(&found, sizeof found));
        CHECK_INT(sidelight_jpeg_read(bad[i].data, bad[i].size, &params, NULL), 0);
        CHECK_INT(params.codec, SIDELIGHT_CODEC_JPEG);
        CHECK_INT(sidelight_jpeg_read(f->data, f->size, &plain, NULL), 0);
        CHECK(params.binding == plain.binding && !memcmp(params.quant, plain.quant, sizeof plain.quant));
        SidelightBuffer removed = {0};
        CHECK_INT(sidelight_jpeg_rewrite(bad[i].data, bad[i].size, NULL, 0, &removed), 0);
        CHECK(same(&removed, f->data, f->size));
        sidelight_buffer_unref(&removed);
    }
    free(twice);
    free(empty);
    sidelight_buffer_unref(&with);
}

/* A change of coded data changes the binding. */
static void binding(const struct file *f)
{
    SidelightCodecParams before, after;
    if (!f->supported) return;
    CHECK_INT(sidelight_jpeg_read(f->data, f->size, &before, NULL), 0);
    uint8_t *edited = copy(f->data, f->size);
    size_t at = 2; /* in the first scan, behind its header, away from markers */
    while (!(edited[at - 2] == 0xFF && edited[at - 1] == 0xDA)) at++;
    at += 20;
    while (edited[at] == 0xFF || edited[at - 1] == 0xFF) at++;
    edited[at] ^= 0x01;
    CHECK_INT(sidelight_jpeg_read(edited, f->size, &after, NULL), 0);
    CHECK(after.binding != before.binding);
    free(edited);
}

/* A signed file, and one whose EXIF leads to a picture behind EOI. */
static void conflicts(const struct file *f)
{
    static const uint8_t credentials[] = "\xFF\xEB\0\x2AJP\0\x01\0\0\0\x01\0\0\0\x30jumb\0\0\0\x1Ejumdc2pa\0\x11\0\x10"
                                         "\x80\0\0\xAA\0\x38\x9B\x71";
    static const uint8_t exif[] = "\xFF\xE1\0\x14" "Exif\0\0MM\0*\0\0\0\x08\0\0\0";
    for (int kind = 0; kind < 2; kind++) {
        const uint8_t *segment = kind ? exif : credentials;
        const size_t bytes = kind ? 22 : 44;
        const size_t size = f->size + bytes, all = kind ? size + f->size : size;
        uint8_t *file = malloc(all);
        REQUIRE(file != NULL);
        memcpy(file, f->data, 2);
        memcpy(file + 2, segment, bytes);
        memcpy(file + 2 + bytes, f->data + 2, f->size - 2);
        if (kind) {
            const size_t offset = size - 12;
            for (int i = 0; i < 4; i++) file[20 + i] = (uint8_t)(offset >> 8 * (3 - i));
            memcpy(file + size, f->data, f->size);
        }
        SidelightBuffer out = untouched_buffer();
        CHECK_INT(sidelight_jpeg_rewrite(file, all, payload, sizeof payload, &out), SIDELIGHT_ERROR_CONFLICT);
        CHECK(is_untouched(&out, sizeof out));
        SidelightBuffer with = {0}, removed = {0}, found = {0};
        CHECK_INT(sidelight_jpeg_rewrite_anyway(file, all, payload, sizeof payload, &with), 0);
        CHECK_INT(sidelight_jpeg_read(with.data, with.size, NULL, &found), 1);
        CHECK(same(&found, payload, sizeof payload));
        /* Without the payload the offsets hold again; a signature is over the bytes as they are. */
        if (kind == 0)
            CHECK_INT(sidelight_jpeg_rewrite(with.data, with.size, NULL, 0, &out), SIDELIGHT_ERROR_CONFLICT);
        else
            CHECK_INT(sidelight_jpeg_rewrite(with.data, with.size, NULL, 0, &removed), 0);
        if (kind) CHECK(same(&removed, file, all));
        sidelight_buffer_unref(&removed);
        CHECK_INT(sidelight_jpeg_rewrite_anyway(with.data, with.size, NULL, 0, &removed), 0);
        CHECK(same(&removed, file, all));
        CHECK(is_untouched(&out, sizeof out));
        sidelight_buffer_unref(&with);
        sidelight_buffer_unref(&removed);
        sidelight_buffer_unref(&found);
        free(file);
    }
}

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : "../tests/data/jpeg";
    for (int i = 0; i < FILES; i++) {
        load(&files[i], folder);
        round_trip(&files[i]);
        truncations(&files[i]);
        damages(&files[i]);
        no_payloads(&files[i]);
    }
    for (int i = 0; i < FILES; i++) binding(&files[i]);
    arguments(&files[1]);
    conflicts(&files[0]);
    conflicts(&files[2]);
    large_payloads(&files[0]);
    for (int i = 0; i < FILES; i++) free(files[i].data);
    return check_finish();
}
