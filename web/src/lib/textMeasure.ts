import type { Channel, TextUnit } from '@/api'

/** From this share of the limit on, the counter is shown. */
const NEAR = 0.8

const SIZES: Record<TextUnit, (text: string) => number> = {
  characters: (text) => [...text].length,
  bytes: (text) => new TextEncoder().encode(text).length,
  utf16: (text) => text.length,
}

/** In the unit that the provider counts in; blanks around the text are not sent. */
export const measured = (text: string, unit: TextUnit = 'characters'): number => SIZES[unit](text.trim())

export interface TextRoom {
  size: number
  limit: number
  unit: TextUnit
  near: boolean
  over: boolean
}

/** None where the channel sets no limit. */
export function textRoom(text: string, channel: Pick<Channel, 'text_limit' | 'text_unit'> | undefined): TextRoom | null {
  const limit = channel?.text_limit ?? 0
  if (!channel || limit <= 0) return null
  const unit = channel.text_unit ?? 'characters'
  const size = measured(text, unit)
  return { size, limit, unit, near: size >= limit * NEAR, over: size > limit }
}
