#include "text/piece_table.h"

#include "base/bytes.h"
#include "base/memory.h"

#include <string.h>

/* Up to eight bytes as a number. Texts of one length give different numbers. */
static uint64_t load_short(const char *bytes, size_t n)
{
	const unsigned char *b = (const unsigned char *)bytes;

	if (n >= 4)
		return (uint64_t)tern_load_u32(b) | (uint64_t)tern_load_u32(b + n - 4) << 32;
	return n ? (uint64_t)b[0] | (uint64_t)b[n / 2] << 8 | (uint64_t)b[n - 1] << 16 : 0;
}

static uint64_t key_of(const struct piece_table *table, const char *bytes, size_t n)
{
	return n <= 8 ? load_short(bytes, n) : tern_hash_bytes(table->hash, bytes, n);
}

bool tern_piece_table_init(struct piece_table *table, const struct tern_piece *pieces, size_t n)
{
	table->pieces = pieces;
	table->bits = tern_hash_table_bits(n);
	table->hash = tern_hash_new_key(table);
	table->slots = tern_alloc_huge((size_t)1 << table->bits, sizeof *table->slots);
	if (table->slots)
		memset(table->slots, 0, sizeof *table->slots << table->bits);
	return table->slots != NULL;
}

/* The slot that holds these bytes, or the free one where they belong. */
static struct piece_slot *find_slot(const struct piece_table *table, const char *bytes, size_t length)
{
	uint64_t key = key_of(table, bytes, length);
	size_t mask = ((size_t)1 << table->bits) - 1;

	for (size_t i = tern_hash_u64(table->hash, key, table->bits);; i = (i + 1) & mask) {
		struct piece_slot *slot = &table->slots[i];
		if (slot->id_plus_1 == 0)
			return slot;
		if (slot->key != key || slot->length != length)
			continue;
		if (length <= 8 || memcmp(table->pieces[slot->id_plus_1 - 1].bytes, bytes, length) == 0)
			return slot;
	}
}

bool tern_piece_table_add(struct piece_table *table, int32_t id)
{
	const struct tern_piece *piece = &table->pieces[id];
	struct piece_slot *slot = find_slot(table, piece->bytes, piece->length);

	if (slot->id_plus_1 != 0)
		return false;
	*slot = (struct piece_slot){key_of(table, piece->bytes, piece->length), (uint32_t)piece->length,
	                            (uint32_t)id + 1};
	return true;
}

void tern_piece_table_prefetch(const struct piece_table *table, const char *bytes, size_t length)
{
	__builtin_prefetch(&table->slots[tern_hash_u64(table->hash, key_of(table, bytes, length), table->bits)]);
}

int32_t tern_piece_table_find(const struct piece_table *table, const char *bytes, size_t length)
{
	return (int32_t)find_slot(table, bytes, length)->id_plus_1 - 1;
}
