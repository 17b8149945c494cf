/*
 * decode_blocks.h - private to the decoder.
 */
#ifndef MEMPARSE_DECODE_BLOCKS_H
#define MEMPARSE_DECODE_BLOCKS_H

#include "decode.h"

/* Looked at for one event; with fewer before the end it is left alone. */
#define DECODE_BLOCK_BYTES 64

/*
 * struct decoder's heads, by the first byte of an event: how many integers its
 * location has, as those of three bits that are not set when the second bit
 * that is set shall be the location's last byte: the bits of two bytes before
 * the event and of its head. What starts no heap event is 0.
 */
#define DECODE_HEAD_NONE 1 /* a byte before and the head are set */
#define DECODE_HEAD_ONE	 5 /* the byte before */
#define DECODE_HEAD_TWO	 7 /* none */

#endif
