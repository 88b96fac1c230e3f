// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* Maps of the plain types, defined in a section maps, as before libbpf 1.0: without types of keys and values. */
#define LEGACY_MAPS
#include "map_types.h"
