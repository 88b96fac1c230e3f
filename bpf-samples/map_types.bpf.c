// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* Maps of the plain types, defined in .maps. */
#include "map_types.h"
