/*
 * leb128.h - the parts of reading LEB128 integers without a loop.
 *
 * An integer is groups of seven bits, the lowest first, a byte each; all bytes
 * but the last have their top bit set. Pure. LEB128_NO_PEXT switches off the
 * instruction that not all processors have, LEB128_PORTABLE all that is of one
 * architecture: for tests.
 */
#ifndef MEMPARSE_LEB128_H
#define MEMPARSE_LEB128_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__) && !defined(LEB128_PORTABLE)
#define LEB128_SSE2
#include <emmintrin.h>
#endif

#if defined(__x86_64__) && !defined(LEB128_PORTABLE) && !defined(LEB128_NO_PEXT)
#define LEB128_PEXT
#endif

#define LEB128_EACH_BYTE(x) (0x0101010101010101ull * (x))

/* Joins the eight groups of a word's bytes. */
static inline uint64_t leb128_join(uint64_t x)
{
	x &= LEB128_EACH_BYTE(0x7f);
	x = (x & 0x007f007f007f007full) | (x & 0x7f007f007f007f00ull) >> 1;
	x = (x & 0x00003fff00003fffull) | (x & 0x3fff00003fff0000ull) >> 2;
	return (x & 0x0fffffffull) | (x & 0x0fffffff00000000ull) >> 4;
}

/* Is the bits' extraction there and quick? It is what join_pair() takes. */
static inline bool leb128_has_pext(void)
{
#ifdef LEB128_PEXT
	/* AMD made it of microcode before Zen 3: a hundred cycles. */
	return __builtin_cpu_supports("bmi2") && !__builtin_cpu_is("bdver4") &&
	       !__builtin_cpu_is("amdfam17h");
#else
	return false;
#endif
}

/*
 * A bit for each of size bytes, a multiple of 16 up to 64: set when it is not
 * the last one of an integer. The bits behind them are not set.
 */
static inline uint64_t leb128_find_not_last(const uint8_t *p, unsigned size)
{
	uint64_t bits = 0;

#ifdef LEB128_SSE2
	for (unsigned i = 0; i < size / 16; i++) {
		const __m128i x =
			_mm_loadu_si128((const __m128i *)(p + 16 * i));

		bits |= (uint64_t)(unsigned)_mm_movemask_epi8(x) << 16 * i;
	}
#else
	for (unsigned i = 0; i < size / 8; i++) {
		uint64_t x;

		memcpy(&x, p + 8 * i, sizeof(x));
		x = le64toh(x) >> 7 & LEB128_EACH_BYTE(1);
		bits |= (x * 0x0102040810204080ull >> 56) << 8 * i;
	}
#endif
	return bits;
}

/* The other bits. */
static inline uint64_t leb128_find_last_bytes(const uint8_t *p, unsigned size)
{
	return ~leb128_find_not_last(p, size);
}

/* Are eight bytes in a row not the last ones? */
static inline bool leb128_has_long(uint64_t last)
{
	uint64_t run = ~last & ~last >> 1;

	run &= run >> 2;
	return (run & run >> 4) != 0;
}

/*
 * Where the next integer ends, if all bits of if_there are set, else from.
 * last has a bit for each last byte to come; offsets are from its first one.
 */
static inline unsigned leb128_next_end(uint64_t *last, unsigned from,
				       uint64_t if_there)
{
	const unsigned end = (unsigned)__builtin_ctzll(*last) + 1;

	*last &= (*last - 1) | ~if_there;
	return (end & (unsigned)if_there) | (from & ~(unsigned)if_there);
}

#ifdef LEB128_PEXT
/*
 * Where the n-th of the bits is that are set, which has to be there; nth is
 * 1 << n. Where leb128_has_pext().
 */
static inline unsigned leb128_bit_at(uint64_t bits, uint64_t nth)
{
	__asm__("pdepq %1, %0, %0" : "+r"(nth) : "rm"(bits));
	return (unsigned)__builtin_ctzll(nth);
}
#endif

/*
 * Reads the two integers in p[0..middle) and p[middle..end), of no more than
 * eight bytes each, the second one maybe of none. Eight bytes from p and from
 * p + middle on must be readable. pext: leb128_has_pext().
 */
static inline void leb128_join_pair(const uint8_t *p, unsigned middle,
				    unsigned end, bool pext, uint64_t *first,
				    uint64_t *second)
{
	/* By size: the bits of an integer's bytes. */
	static const uint64_t keep[] = {
		0,
		LEB128_EACH_BYTE(0x7f) >> 56,
		LEB128_EACH_BYTE(0x7f) >> 48,
		LEB128_EACH_BYTE(0x7f) >> 40,
		LEB128_EACH_BYTE(0x7f) >> 32,
		LEB128_EACH_BYTE(0x7f) >> 24,
		LEB128_EACH_BYTE(0x7f) >> 16,
		LEB128_EACH_BYTE(0x7f) >> 8,
		LEB128_EACH_BYTE(0x7f),
	};

#ifdef LEB128_PEXT
	if (pext) {
		uint64_t x, y;

		memcpy(&x, p, sizeof(x));
		memcpy(&y, p + middle, sizeof(y));
		__asm__("pextq %2, %1, %0"
			: "=r"(*first)
			: "r"(x), "rm"(keep[middle]));
		__asm__("pextq %2, %1, %0"
			: "=r"(*second)
			: "r"(y), "rm"(keep[end - middle]));
		return;
	}
#endif
	(void)pext;
#ifdef LEB128_SSE2
	const __m128i groups = _mm_and_si128(
		_mm_unpacklo_epi64(
			_mm_loadl_epi64((const __m128i *)p),
			_mm_loadl_epi64((const __m128i *)(p + middle))),
		_mm_unpacklo_epi64(
			_mm_loadl_epi64((const __m128i *)&keep[middle]),
			_mm_loadl_epi64((const __m128i *)&keep[end - middle])));
	/* To groups of 14 bits, of 28, of 56. */
	const __m128i by_14 = _mm_or_si128(
		_mm_and_si128(groups, _mm_set1_epi16(0x7f)),
		_mm_srli_epi16(_mm_and_si128(groups, _mm_set1_epi16(0x7f00)),
			       1));
	const __m128i by_28 =
		_mm_madd_epi16(by_14, _mm_set1_epi32(1 << 30 | 1));
	const __m128i by_56 =
		_mm_or_si128(_mm_and_si128(by_28, _mm_set1_epi64x(0xfffffff)),
			     _mm_slli_epi64(_mm_srli_epi64(by_28, 32), 28));

	*first = (uint64_t)_mm_cvtsi128_si64(by_56);
	*second = (uint64_t)_mm_cvtsi128_si64(_mm_unpackhi_epi64(by_56, by_56));
#else
	uint64_t x, y;

	memcpy(&x, p, sizeof(x));
	memcpy(&y, p + middle, sizeof(y));
	*first = leb128_join(le64toh(x) & keep[middle]);
	*second = leb128_join(le64toh(y) & keep[end - middle]);
#endif
}

#endif
