// SPDX-License-Identifier: MIT OR Apache-2.0
// A machine of 64 instructions: a switch over each of 128 bytes.
#include "bench.h"

#define BYTES 128

PROGRAM(big_switch)
{
	PACKET(BYTES);
	__u32 a = 1, b = 2;

	for (__u32 i = 0; i < BYTES; i++) {
		switch (data[i] & 63) {
		case 0:
			a += b + 1497;
			break;
		case 1:
			b += (a & 1996) * 5;
			break;
		case 2:
			a = (a << 3) | (a >> 29);
			break;
		case 3:
			b = (b >> 4) + a;
			break;
		case 4:
			a ^= b >> 5;
			break;
		case 5:
			b ^= a * 13;
			break;
		case 6:
			a = a * 15 + b;
			break;
		case 7:
			b -= a ^ 4990;
			break;
		case 8:
			b ^= a * 19;
			break;
		case 9:
			a = a * 21 + b;
			break;
		case 10:
			b -= a ^ 6487;
			break;
		case 11:
			a += b + 6986;
			break;
		case 12:
			b += (a & 7485) * 27;
			break;
		case 13:
			a = (a << 1) | (a >> 31);
			break;
		case 14:
			b = (b >> 2) + a;
			break;
		case 15:
			a ^= b >> 3;
			break;
		case 16:
			a = (a << 4) | (a >> 28);
			break;
		case 17:
			b = (b >> 5) + a;
			break;
		case 18:
			a ^= b >> 6;
			break;
		case 19:
			b ^= a * 41;
			break;
		case 20:
			a = a * 43 + b;
			break;
		case 21:
			b -= a ^ 11976;
			break;
		case 22:
			a += b + 12475;
			break;
		case 23:
			b += (a & 12974) * 49;
			break;
		case 24:
			b -= a ^ 13473;
			break;
		case 25:
			a += b + 13972;
			break;
		case 26:
			b += (a & 14471) * 55;
			break;
		case 27:
			a = (a << 2) | (a >> 30);
			break;
		case 28:
			b = (b >> 3) + a;
			break;
		case 29:
			a ^= b >> 4;
			break;
		case 30:
			b ^= a * 63;
			break;
		case 31:
			a = a * 65 + b;
			break;
		case 32:
			a ^= b >> 7;
			break;
		case 33:
			b ^= a * 69;
			break;
		case 34:
			a = a * 71 + b;
			break;
		case 35:
			b -= a ^ 18962;
			break;
		case 36:
			a += b + 19461;
			break;
		case 37:
			b += (a & 19960) * 77;
			break;
		case 38:
			a = (a << 13) | (a >> 19);
			break;
		case 39:
			b = (b >> 1) + a;
			break;
		case 40:
			b += (a & 21457) * 83;
			break;
		case 41:
			a = (a << 3) | (a >> 29);
			break;
		case 42:
			b = (b >> 4) + a;
			break;
		case 43:
			a ^= b >> 5;
			break;
		case 44:
			b ^= a * 91;
			break;
		case 45:
			a = a * 93 + b;
			break;
		case 46:
			b -= a ^ 24451;
			break;
		case 47:
			a += b + 24950;
			break;
		case 48:
			a = a * 99 + b;
			break;
		case 49:
			b -= a ^ 25948;
			break;
		case 50:
			a += b + 26447;
			break;
		case 51:
			b += (a & 26946) * 105;
			break;
		case 52:
			a = (a << 1) | (a >> 31);
			break;
		case 53:
			b = (b >> 2) + a;
			break;
		case 54:
			a ^= b >> 3;
			break;
		case 55:
			b ^= a * 113;
			break;
		case 56:
			b = (b >> 5) + a;
			break;
		case 57:
			a ^= b >> 6;
			break;
		case 58:
			b ^= a * 119;
			break;
		case 59:
			a = a * 121 + b;
			break;
		case 60:
			b -= a ^ 31437;
			break;
		case 61:
			a += b + 31936;
			break;
		case 62:
			b += (a & 32435) * 127;
			break;
		case 63:
			a = (a << 12) | (a >> 20);
			break;
		}
	}
	return a ^ b;
}
