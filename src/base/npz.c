#include "base/npz.h"

#include <inttypes.h>
#include <string.h>
#include <zlib.h>

#include "base/file.h"
#include "base/npy.h"
#include "base/strmap.h"

/* Zip records (PKWARE APPNOTE 6.3): signature and fixed size. */
enum {
    LOCAL_SIGNATURE = 0x04034B50,
    CENTRAL_SIGNATURE = 0x02014B50,
    END_SIGNATURE = 0x06054B50,
    END64_SIGNATURE = 0x06064B50,
    LOCATOR_SIGNATURE = 0x07064B50
};
enum { LOCAL_BYTES = 30, CENTRAL_BYTES = 46, END_BYTES = 22, END64_BYTES = 56, LOCATOR_BYTES = 20 };
enum { METHOD_STORE = 0, METHOD_DEFLATE = 8, FLAG_ENCRYPTED = 1, ZIP64_TAG = 1 };
#define FULL32 0xFFFFFFFFu
#define CHUNK ((size_t)1 << 20)

typedef struct member {
    char *name; /* without ".npy" */
    uint32_t crc;
    uint16_t method;
    uint64_t packed_bytes, bytes, offset; /* of the local header */
} member;

struct oai_npz {
    const oai_host *host;
    char *path;
    oai_file_map map;
    member *members;
    uint32_t n_members;
    oai_strmap by_name;
};

static uint64_t get(const uint8_t *at, int bytes) {
    uint64_t value = 0;
    while (bytes-- > 0) value = value << 8 | at[bytes];
    return value;
}

static uint8_t *put(uint8_t *at, int bytes, uint64_t value) {
    for (int i = 0; i < bytes; i++) *at++ = (uint8_t)(value >> 8 * i);
    return at;
}

static void free_members(const oai_host *host, member *members, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) oai_free(host, members[i].name);
    oai_free(host, members);
}

/* ---- reading ------------------------------------------------------------------------------------------------ */

static bool inside(const oai_npz *file, uint64_t offset, uint64_t bytes) {
    return offset <= file->map.bytes && bytes <= file->map.bytes - offset;
}

/* Where the central directory lies, by the end record and, if there, its zip64 extension. */
static oassl_status find_directory(const oai_npz *file, uint64_t *out_offset, uint64_t *out_bytes, uint64_t *out_n) {
    const uint8_t *data = file->map.data;
    size_t size = file->map.bytes, lowest = size > END_BYTES + 65535 ? size - END_BYTES - 65535 : 0;
    size_t end = size;
    if (size >= END_BYTES)
        for (size_t at = size - END_BYTES + 1; at-- > lowest;)
            if (get(data + at, 4) == END_SIGNATURE && at + END_BYTES + get(data + at + 20, 2) == size) {
                end = at;
                break;
            }
    if (end == size)
        return oai_fail(OASSL_STATUS_FORMAT, "%s: not an npz (zip) file, or truncated: no end record", file->path);
    *out_n = get(data + end + 10, 2);
    *out_bytes = get(data + end + 12, 4);
    *out_offset = get(data + end + 16, 4);
    uint64_t limit = end;
    if (end >= LOCATOR_BYTES && get(data + end - LOCATOR_BYTES, 4) == LOCATOR_SIGNATURE) {
        uint64_t at = get(data + end - LOCATOR_BYTES + 8, 8);
        if (!inside(file, at, END64_BYTES) || get(data + at, 4) != END64_SIGNATURE)
            return oai_fail(OASSL_STATUS_FORMAT, "%s: zip64 end record is not where it should be", file->path);
        *out_n = get(data + at + 32, 8);
        *out_bytes = get(data + at + 40, 8);
        *out_offset = get(data + at + 48, 8);
        limit = at;
    }
    if (*out_offset > limit || *out_bytes != limit - *out_offset || *out_n > *out_bytes / CENTRAL_BYTES)
        return oai_fail(OASSL_STATUS_FORMAT, "%s: zip directory does not fit the file (truncated?)", file->path);
    return OASSL_STATUS_OK;
}

/* The zip64 extra field holds, in this order, those of size, packed size and offset that are full in the record. */
static bool read_extra(const uint8_t *extra, size_t bytes, member *m) {
    uint64_t *const fields[] = {&m->bytes, &m->packed_bytes, &m->offset};
    while (bytes >= 4) {
        size_t tag = get(extra, 2), n = get(extra + 2, 2);
        if (n > bytes - 4) return false;
        const uint8_t *at = extra + 4;
        for (int i = 0; tag == ZIP64_TAG && i < 3; i++) {
            if (*fields[i] != FULL32) continue;
            if (n < 8) return false;
            *fields[i] = get(at, 8);
            at += 8;
            n -= 8;
        }
        bytes -= 4 + get(extra + 2, 2);
        extra += 4 + get(extra + 2, 2);
    }
    return true;
}

/* One record of the central directory; *at moves behind it. */
static oassl_status read_central(oai_npz *file, const uint8_t **at, const uint8_t *end) {
    const uint8_t *record = *at;
    if ((size_t)(end - record) < CENTRAL_BYTES || get(record, 4) != CENTRAL_SIGNATURE)
        return oai_fail(OASSL_STATUS_FORMAT, "%s: zip directory: member %u is damaged", file->path, file->n_members);
    size_t name_bytes = get(record + 28, 2), extra_bytes = get(record + 30, 2), comment_bytes = get(record + 32, 2);
    if ((size_t)(end - record) - CENTRAL_BYTES < name_bytes + extra_bytes + comment_bytes)
        return oai_fail(OASSL_STATUS_FORMAT, "%s: zip directory: member %u is damaged", file->path, file->n_members);
    *at = record + CENTRAL_BYTES + name_bytes + extra_bytes + comment_bytes;

    const char *name = (const char *)record + CENTRAL_BYTES;
    if (name_bytes < 5 || memcmp(name + name_bytes - 4, ".npy", 4) != 0 || memchr(name, 0, name_bytes))
        return oai_fail(OASSL_STATUS_FORMAT, "%s: member '%.*s' is not an .npy array", file->path, (int)name_bytes,
                        name);
    member *m = &file->members[file->n_members];
    m->name = oai_alloc(file->host, name_bytes - 3);
    if (!m->name) return oai_no_memory(name_bytes, file->path);
    file->n_members++;
    memcpy(m->name, name, name_bytes - 4);
    m->name[name_bytes - 4] = 0;
    m->method = (uint16_t)get(record + 10, 2);
    m->crc = (uint32_t)get(record + 16, 4);
    m->packed_bytes = get(record + 20, 4);
    m->bytes = get(record + 24, 4);
    m->offset = get(record + 42, 4);
    if (!read_extra((const uint8_t *)name + name_bytes, extra_bytes, m))
        return oai_fail(OASSL_STATUS_FORMAT, "%s: member '%s': bad zip64 field", file->path, m->name);
    if (get(record + 8, 2) & FLAG_ENCRYPTED)
        return oai_fail(OASSL_STATUS_UNSUPPORTED, "%s: member '%s' is encrypted", file->path, m->name);
    if (m->method != METHOD_STORE && m->method != METHOD_DEFLATE)
        return oai_fail(OASSL_STATUS_UNSUPPORTED, "%s: member '%s': zip method %u, expected stored or deflated",
                        file->path, m->name, m->method);
    uint32_t old;
    OAI_TRY(oai_strmap_put(&file->by_name, m->name, name_bytes - 4, file->n_members - 1, &old));
    if (old != OAI_STRMAP_NONE)
        return oai_fail(OASSL_STATUS_FORMAT, "%s: member '%s' is there twice", file->path, m->name);
    return OASSL_STATUS_OK;
}

static oassl_status read_directory(oai_npz *file) {
    uint64_t offset = 0, bytes = 0, n = 0;
    OAI_TRY(find_directory(file, &offset, &bytes, &n));
    if (n >= OAI_STRMAP_NONE) return oai_fail(OASSL_STATUS_FORMAT, "%s: too many members", file->path);
    file->members = oai_calloc(file->host, (size_t)n + 1, sizeof *file->members);
    if (!file->members) return oai_no_memory(((size_t)n + 1) * sizeof *file->members, file->path);
    const uint8_t *at = file->map.data + offset, *end = at + bytes;
    for (uint64_t i = 0; i < n; i++) OAI_TRY(read_central(file, &at, end));
    if (at != end)
        return oai_fail(OASSL_STATUS_FORMAT, "%s: zip directory: %zu bytes too many", file->path, (size_t)(end - at));
    return OASSL_STATUS_OK;
}

oassl_status oai_npz_open(const oai_host *host, const char *path, oai_npz **out_file) {
    *out_file = NULL;
    oai_npz *file = oai_calloc(host, 1, sizeof *file);
    if (!file) return oai_no_memory(sizeof *file, path);
    file->host = host;
    oai_strmap_init(&file->by_name, host);
    oassl_status status = OASSL_STATUS_OK;
    if (!(file->path = oai_strdup(host, path))) status = oai_no_memory(strlen(path) + 1, path);
    if (status == OASSL_STATUS_OK) status = oai_file_map_open(path, &file->map);
    if (status == OASSL_STATUS_OK) status = read_directory(file);
    if (status != OASSL_STATUS_OK) {
        oai_npz_close(file);
        return status;
    }
    *out_file = file;
    return OASSL_STATUS_OK;
}

void oai_npz_close(oai_npz *file) {
    if (!file) return;
    oai_strmap_free(&file->by_name);
    free_members(file->host, file->members, file->n_members);
    oai_file_map_close(&file->map);
    oai_free(file->host, file->path);
    oai_free(file->host, file);
}

uint32_t oai_npz_count(const oai_npz *file) { return file->n_members; }
const char *oai_npz_name(const oai_npz *file, uint32_t index) { return file->members[index].name; }
const char *oai_npz_path(const oai_npz *file) { return file->path; }
bool oai_npz_has(const oai_npz *file, const char *name) {
    return oai_strmap_get(&file->by_name, name, strlen(name)) != OAI_STRMAP_NONE;
}

static voidpf zlib_alloc(voidpf host, uInt n, uInt size) { return oai_calloc(host, n, size); }
static void zlib_free(voidpf host, voidpf memory) { oai_free(host, memory); }

static oassl_status inflate_all(const oai_host *host, const uint8_t *packed, uint64_t packed_bytes, uint8_t *out,
                                uint64_t bytes) {
    z_stream stream = {.zalloc = zlib_alloc, .zfree = zlib_free, .opaque = (void *)host};
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) return oai_no_memory(sizeof stream, "inflating");
    int code = Z_OK;
    uint64_t in_left = packed_bytes, out_left = bytes;
    uint8_t spare; /* a non-NULL target when no byte is due any more */
    stream.next_in = (Bytef *)packed;
    stream.next_out = out;
    while (code == Z_OK) { /* zlib counts in 32 bits: feed it in pieces */
        uInt in = in_left < CHUNK ? (uInt)in_left : (uInt)CHUNK,
             room = out_left < CHUNK ? (uInt)out_left : (uInt)CHUNK;
        stream.avail_in = in;
        stream.avail_out = room;
        if (room == 0) stream.next_out = &spare;
        code = inflate(&stream, Z_NO_FLUSH);
        in_left -= in - stream.avail_in;
        out_left -= room - stream.avail_out;
    }
    inflateEnd(&stream);
    if (code == Z_MEM_ERROR) return oai_no_memory(1 << 16, "inflating");
    if (code != Z_STREAM_END || in_left != 0 || out_left != 0)
        return oai_fail(OASSL_STATUS_FORMAT, "compressed data is damaged");
    return OASSL_STATUS_OK;
}

/* Bytes of the member in the file, after comparing its local header with the directory. */
static oassl_status locate(const oai_npz *file, const member *m, const uint8_t **out_packed) {
    const uint8_t *local = inside(file, m->offset, LOCAL_BYTES) ? file->map.data + m->offset : NULL;
    if (!local || get(local, 4) != LOCAL_SIGNATURE)
        return oai_fail(OASSL_STATUS_FORMAT, "no local header where the zip directory says");
    size_t name_bytes = get(local + 26, 2), extra_bytes = get(local + 28, 2), expected = strlen(m->name) + 4;
    uint64_t start = m->offset + LOCAL_BYTES + name_bytes + extra_bytes;
    if (!inside(file, start, m->packed_bytes))
        return oai_fail(OASSL_STATUS_FORMAT, "%" PRIu64 " packed bytes do not fit the file (truncated?)",
                        m->packed_bytes);
    if (name_bytes != expected || memcmp(local + LOCAL_BYTES, m->name, expected - 4) != 0 ||
        get(local + 8, 2) != m->method)
        return oai_fail(OASSL_STATUS_FORMAT, "local header is that of another member");
    /* Deflate cannot shrink below 1/1032: a larger claim is a lie that would only waste memory. */
    if (m->method == METHOD_STORE ? m->packed_bytes != m->bytes : m->bytes / 1032 > m->packed_bytes + 64)
        return oai_fail(OASSL_STATUS_FORMAT, "%" PRIu64 " bytes from %" PRIu64 " packed ones is impossible", m->bytes,
                        m->packed_bytes);
    *out_packed = file->map.data + start;
    return OASSL_STATUS_OK;
}

static uint32_t checksum(const uint8_t *data, uint64_t bytes) {
    uLong crc = crc32(0, Z_NULL, 0);
    for (uint64_t done = 0; done < bytes; done += CHUNK)
        crc = crc32(crc, data + done, bytes - done < CHUNK ? (uInt)(bytes - done) : (uInt)CHUNK);
    return (uint32_t)crc;
}

static oassl_status unpack(const oai_npz *file, const member *m, oai_npy *out_array) {
    const uint8_t *packed = NULL;
    OAI_TRY(locate(file, m, &packed));
    uint8_t *text = oai_alloc(file->host, (size_t)m->bytes);
    if (!text) return oai_no_memory((size_t)m->bytes, "an array");
    oassl_status status = OASSL_STATUS_OK;
    if (m->method == METHOD_DEFLATE)
        status = inflate_all(file->host, packed, m->packed_bytes, text, m->bytes);
    else
        memcpy(text, packed, (size_t)m->bytes);
    if (status == OASSL_STATUS_OK && checksum(text, m->bytes) != m->crc)
        status = oai_fail(OASSL_STATUS_FORMAT, "checksum does not match: the data are damaged");
    size_t header = 0;
    oai_npy array;
    if (status == OASSL_STATUS_OK) status = oai_npy_parse(text, (size_t)m->bytes, &array, &header);
    if (status != OASSL_STATUS_OK) {
        oai_free(file->host, text);
        return status;
    }
    memmove(text, text + header, array.bytes);
    array.data = text;
    array.host = file->host;
    *out_array = array;
    return OASSL_STATUS_OK;
}

oassl_status oai_npz_read(const oai_npz *file, const char *name, oai_npy *out_array) {
    *out_array = (oai_npy){0};
    uint32_t i = oai_strmap_get(&file->by_name, name, strlen(name));
    if (i == OAI_STRMAP_NONE) return oai_fail(OASSL_STATUS_NOT_FOUND, "%s: member '%s' is missing", file->path, name);
    oassl_status status = unpack(file, &file->members[i], out_array);
    return status == OASSL_STATUS_OK ? status : oai_fail_within(status, "%s: member '%s'", file->path, name);
}

/* ---- writing ------------------------------------------------------------------------------------------------ */

struct oai_npz_writer {
    const oai_host *host;
    oai_writer *out;
    member *members;
    uint32_t n_members, capacity;
    int flags;
    uint8_t *chunk; /* CHUNK bytes of packed data */
};

oassl_status oai_npz_create(const oai_host *host, const char *path, int flags, oai_npz_writer **out_writer) {
    *out_writer = NULL;
    oai_npz_writer *writer = oai_calloc(host, 1, sizeof *writer);
    if (!writer) return oai_no_memory(sizeof *writer, path);
    writer->host = host;
    writer->flags = flags;
    writer->chunk = oai_alloc(host, CHUNK);
    oassl_status status = writer->chunk ? oai_writer_open(host, path, &writer->out) : oai_no_memory(CHUNK, path);
    if (status != OASSL_STATUS_OK) {
        oai_npz_abort(writer);
        return status;
    }
    *out_writer = writer;
    return OASSL_STATUS_OK;
}

void oai_npz_abort(oai_npz_writer *writer) {
    if (!writer) return;
    oai_writer_abort(writer->out);
    free_members(writer->host, writer->members, writer->n_members);
    oai_free(writer->host, writer->chunk);
    oai_free(writer->host, writer);
}

/* The fields local and central records share, from "version needed" to "extra length". */
static uint8_t *put_common(uint8_t *at, const member *m, uint64_t packed_bytes, uint64_t bytes, size_t extra_bytes) {
    enum { VERSION = 45, UTF8_NAMES = 0x800, DOS_DATE_1980 = 0x21 };
    at = put(at, 2, VERSION);
    at = put(at, 2, UTF8_NAMES);
    at = put(at, 2, m->method);
    at = put(at, 4, (uint64_t)DOS_DATE_1980 << 16);
    at = put(at, 4, m->crc);
    at = put(at, 4, packed_bytes);
    at = put(at, 4, bytes);
    at = put(at, 2, strlen(m->name) + 4);
    return put(at, 2, extra_bytes);
}

/* Sizes are not known before the data are packed, so the local record always has room for 64 bits (as NumPy's). */
enum { LOCAL_EXTRA_BYTES = 20 };

static oassl_status write_local(oai_npz_writer *writer, const member *m, bool again) {
    uint8_t record[LOCAL_BYTES], extra[LOCAL_EXTRA_BYTES];
    put_common(put(record, 4, LOCAL_SIGNATURE), m, FULL32, FULL32, sizeof extra);
    put(put(put(put(extra, 2, ZIP64_TAG), 2, 16), 8, m->bytes), 8, m->packed_bytes);
    size_t name_bytes = strlen(m->name);
    if (again) {
        OAI_TRY(oai_writer_patch(writer->out, m->offset, record, sizeof record));
        return oai_writer_patch(writer->out, m->offset + LOCAL_BYTES + name_bytes + 4, extra, sizeof extra);
    }
    OAI_TRY(oai_writer_write(writer->out, record, sizeof record));
    OAI_TRY(oai_writer_write(writer->out, m->name, name_bytes));
    OAI_TRY(oai_writer_write(writer->out, ".npy", 4));
    return oai_writer_write(writer->out, extra, sizeof extra);
}

/* Deflates (or copies) one piece of the member. */
static oassl_status write_piece(oai_npz_writer *writer, member *m, z_stream *stream, const void *data, size_t bytes,
                                bool last) {
    const uint8_t *at = data;
    m->bytes += bytes;
    do {
        size_t n = bytes < CHUNK ? bytes : CHUNK;
        bytes -= n;
        m->crc = n ? (uint32_t)crc32(m->crc, at, (uInt)n) : m->crc;
        if (m->method == METHOD_STORE) OAI_TRY(oai_writer_write(writer->out, at, n));
        stream->next_in = (Bytef *)at;
        stream->avail_in = (uInt)n;
        at += n;
        do {
            if (m->method == METHOD_STORE) break;
            stream->next_out = writer->chunk;
            stream->avail_out = (uInt)CHUNK;
            if (deflate(stream, last && bytes == 0 ? Z_FINISH : Z_NO_FLUSH) == Z_STREAM_ERROR)
                return oai_fail(OASSL_STATUS_INTERNAL, "zlib refused to deflate");
            OAI_TRY(oai_writer_write(writer->out, writer->chunk, CHUNK - stream->avail_out));
        } while (stream->avail_out == 0);
    } while (bytes);
    return OASSL_STATUS_OK;
}

static oassl_status new_member(oai_npz_writer *writer, const char *name, member **out_member) {
    for (uint32_t i = 0; i < writer->n_members; i++)
        if (strcmp(writer->members[i].name, name) == 0)
            return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "npz member '%s' is added twice", name);
    if (strlen(name) == 0 || strlen(name) > 60000)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "npz member: bad name");
    if (writer->n_members == writer->capacity) {
        uint32_t capacity = writer->capacity ? 2 * writer->capacity : 8;
        member *larger =
            oai_grow(writer->host, writer->members, writer->n_members * sizeof *larger, capacity * sizeof *larger);
        if (!larger) return oai_no_memory(capacity * sizeof *larger, "npz members");
        writer->members = larger;
        writer->capacity = capacity;
    }
    member *m = &writer->members[writer->n_members];
    *m = (member){.name = oai_strdup(writer->host, name),
                  .crc = (uint32_t)crc32(0, Z_NULL, 0),
                  .method = writer->flags & OAI_NPZ_DEFLATE ? METHOD_DEFLATE : METHOD_STORE,
                  .offset = oai_writer_offset(writer->out)};
    if (!m->name) return oai_no_memory(strlen(name), "npz member name");
    writer->n_members++;
    *out_member = m;
    return OASSL_STATUS_OK;
}

oassl_status oai_npz_add(oai_npz_writer *writer, const char *name, const oai_npy *array) {
    uint8_t header[OAI_NPY_HEADER_MAX];
    size_t header_bytes;
    oassl_status status = oai_npy_format(array, header, &header_bytes);
    if (status != OASSL_STATUS_OK) return oai_fail_within(status, "npz member '%s'", name);
    member *m = NULL;
    OAI_TRY(new_member(writer, name, &m));
    OAI_TRY(write_local(writer, m, false));
    z_stream stream = {.zalloc = zlib_alloc, .zfree = zlib_free, .opaque = (void *)writer->host};
    if (m->method == METHOD_DEFLATE &&
        deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return oai_no_memory(1 << 18, "deflating");
    uint64_t start = oai_writer_offset(writer->out);
    status = write_piece(writer, m, &stream, header, header_bytes, false);
    if (status == OASSL_STATUS_OK) status = write_piece(writer, m, &stream, array->data, array->bytes, true);
    if (m->method == METHOD_DEFLATE) deflateEnd(&stream);
    OAI_TRY(status);
    m->packed_bytes = oai_writer_offset(writer->out) - start;
    return write_local(writer, m, true);
}

static oassl_status write_central(oai_npz_writer *writer, const member *m) {
    uint8_t record[CENTRAL_BYTES] = {0}, extra[28];
    const uint64_t fields[] = {m->bytes, m->packed_bytes, m->offset};
    bool wide[3];
    uint8_t *end = extra + 4;
    for (int i = 0; i < 3; i++) {
        wide[i] = fields[i] >= FULL32 || writer->flags & OAI_NPZ_ZIP64;
        if (wide[i]) end = put(end, 8, fields[i]);
    }
    size_t extra_bytes = end > extra + 4 ? (size_t)(end - extra) : 0;
    put(put(extra, 2, ZIP64_TAG), 2, extra_bytes ? extra_bytes - 4 : 0);
    uint8_t *at = put(put(record, 4, CENTRAL_SIGNATURE), 2, 45 | 3 << 8 /* made on Unix */);
    put_common(at, m, wide[1] ? FULL32 : m->packed_bytes, wide[0] ? FULL32 : m->bytes, extra_bytes);
    put(record + 38, 4, (uint64_t)0100644 << 16); /* plain file, readable */
    put(record + 42, 4, wide[2] ? FULL32 : m->offset);
    OAI_TRY(oai_writer_write(writer->out, record, sizeof record));
    OAI_TRY(oai_writer_write(writer->out, m->name, strlen(m->name)));
    OAI_TRY(oai_writer_write(writer->out, ".npy", 4));
    return oai_writer_write(writer->out, extra, extra_bytes);
}

static oassl_status write_directory(oai_npz_writer *writer) {
    uint64_t start = oai_writer_offset(writer->out), n = writer->n_members;
    for (uint32_t i = 0; i < n; i++) OAI_TRY(write_central(writer, &writer->members[i]));
    uint64_t end = oai_writer_offset(writer->out), bytes = end - start;
    bool wide = n >= 0xFFFF || start >= FULL32 || bytes >= FULL32 || writer->flags & OAI_NPZ_ZIP64;
    if (wide) {
        uint8_t record[END64_BYTES + LOCATOR_BYTES] = {0}, *at = record;
        at = put(put(put(put(at, 4, END64_SIGNATURE), 8, END64_BYTES - 12), 2, 45 | 3 << 8), 2, 45);
        at = put(put(at + 8, 8, n), 8, n);
        at = put(put(at, 8, bytes), 8, start);
        put(put(put(put(at, 4, LOCATOR_SIGNATURE), 4, 0), 8, end), 4, 1);
        OAI_TRY(oai_writer_write(writer->out, record, sizeof record));
    }
    uint8_t record[END_BYTES] = {0}, *at = put(record, 4, END_SIGNATURE) + 4;
    at = put(put(at, 2, wide ? 0xFFFF : n), 2, wide ? 0xFFFF : n);
    put(put(at, 4, wide ? FULL32 : bytes), 4, wide ? FULL32 : start);
    return oai_writer_write(writer->out, record, sizeof record);
}

oassl_status oai_npz_commit(oai_npz_writer *writer) {
    oassl_status status = write_directory(writer);
    if (status == OASSL_STATUS_OK) {
        status = oai_writer_commit(writer->out);
        writer->out = NULL;
    }
    oai_npz_abort(writer);
    return status;
}
