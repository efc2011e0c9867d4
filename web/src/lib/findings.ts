/** A check's name as a key to look words up by; a number or id at its end is what the check is about. */
export function findingKey(name: string): { key: string; about: string } {
  const split = /^(.*?)(?:\s+(\(?\S*\d\S*))?$/s.exec(name.trim())
  const key = (split?.[1] ?? '').toLowerCase().replace(/[^a-z0-9]+/g, '_').replace(/^_|_$/g, '')
  return { key, about: split?.[2] ?? '' }
}
