export interface Place {
  latitude: number
  longitude: number
  label: string
  address: string
}

const KNOWN_HEADS = new Set(['location', '[location]', 'live location', 'place', '位置'])

const degrees = (value: unknown, most: number): number | null => {
  if (typeof value !== 'number' && (typeof value !== 'string' || value.trim() === '')) return null
  const number = Number(value)
  return Number.isFinite(number) && Math.abs(number) <= most ? number : null
}

const words = (value: unknown): string => (typeof value === 'string' ? value.trim() : '')

/** From a message's `extra.location`; providers send numbers or digits. */
export function placeOf(given: unknown): Place | null {
  if (typeof given !== 'object' || given === null) return null
  const place = given as Record<string, unknown>
  const latitude = degrees(place.latitude, 90)
  const longitude = degrees(place.longitude, 180)
  if (latitude === null || longitude === null) return null
  return { latitude, longitude, label: words(place.label) || words(place.name), address: words(place.address) }
}

export const coordinates = (place: Place): string => `${place.latitude.toFixed(5)}, ${place.longitude.toFixed(5)}`

export const mapUrl = ({ latitude, longitude }: Place): string =>
  `https://www.openstreetmap.org/?mlat=${latitude}&mlon=${longitude}#map=16/${latitude}/${longitude}`

/** The lines of a text that say more than the place's own card does. */
export function beyondPlace(text: string, place: Place): string {
  const own = new Set([place.label, place.address].map((line) => line.toLowerCase()))
  const kept = text.split('\n').flatMap((line) => {
    if (/^https?:\/\/www\.openstreetmap\.org\//.test(line.trim())) return []
    const head = line.replace(/[（(]?-?\d+(\.\d+)?\s*[,，]\s*-?\d+(\.\d+)?[)）]?\s*$/, '').trim().replace(/[:：]$/, '')
    return KNOWN_HEADS.has(head.toLowerCase()) || own.has(head.toLowerCase()) || head === '' ? [] : [head]
  })
  return kept.join('\n')
}
