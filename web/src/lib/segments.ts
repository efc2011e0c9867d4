/** How many SMS a text costs: GSM 03.38 with its extension table, or UCS-2 as soon as one sign is in neither. */

const BASIC = new Set(
  '@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ' +
    ' !"#¤%&\'()*+,-./0123456789:;<=>?' +
    '¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§' +
    '¿abcdefghijklmnopqrstuvwxyzäöñüà',
)
const EXTENSION = new Set('\f^{}\\[~]|€')
/** Units of a message alone, and of each segment of a longer one, which also carries a header. */
const ROOM = { gsm7: [160, 153], ucs2: [70, 67] } as const

export interface Segments {
  encoding: keyof typeof ROOM
  /** Septets, or UTF-16 units. */
  units: number
  segments: number
  /** Units that still fit into the last segment. */
  left: number
}

export function countSegments(text: string): Segments {
  const signs = [...text]
  const encoding = signs.every((sign) => BASIC.has(sign) || EXTENSION.has(sign)) ? 'gsm7' : 'ucs2'
  const widths = signs.map((sign) => (encoding === 'gsm7' ? (EXTENSION.has(sign) ? 2 : 1) : sign.length))
  const units = widths.reduce((sum, width) => sum + width, 0)
  const [alone, each] = ROOM[encoding]
  if (units <= alone) return { encoding, units, segments: units ? 1 : 0, left: alone - units }
  return { encoding, units, ...packed(widths, each) }
}

/** No sign is cut in two: one that needs two units and finds one left begins the next segment. */
function packed(widths: readonly number[], room: number): Pick<Segments, 'segments' | 'left'> {
  let segments = 1
  let left = room
  for (const width of widths) {
    if (width > left) {
      segments += 1
      left = room
    }
    left -= width
  }
  return { segments, left }
}
