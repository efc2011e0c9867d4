import type { Attachment, Channel, MediaRule } from '@/api'
import { can } from './capabilities'

type File = Pick<Attachment, 'content_type' | 'size'>
type Carrier = Pick<Channel, 'capabilities' | 'media' | 'attachment_limit_bytes'>

function takes(rule: MediaRule, contentType: string): boolean {
  const major = contentType.split('/', 1)[0]
  return rule.types.some((type) => type === contentType || type === `${major}/*` || type === '*/*')
}

export type Refusal = { why: 'type' } | { why: 'size'; limit: number }

/** Why the channel does not carry this file; null where it does. */
export function refusal(file: File, channel: Carrier | undefined): Refusal | null {
  if (!channel) return null
  if (!can(channel.capabilities, 'attachments')) return { why: 'type' }
  const rules = channel.media ?? []
  const contentType = file.content_type.split(';', 1)[0]!.trim().toLowerCase()
  if (rules.length === 0) return null
  const fitting = rules.filter((rule) => takes(rule, contentType))
  if (fitting.length === 0) return { why: 'type' }
  const limit = Math.max(...fitting.map((rule) => rule.max_bytes))
  return file.size > limit ? { why: 'size', limit } : null
}

/** The ids of what the channel does not carry: single files, or all of them where together they are too much. */
export function notCarried(files: readonly Attachment[], channel: Carrier | undefined): string[] {
  const single = files.filter((file) => refusal(file, channel)).map((file) => file.id)
  if (single.length > 0 || !channel) return single
  const sum = files.reduce((all, file) => all + file.size, 0)
  const limit = channel.attachment_limit_bytes ?? 0
  return limit > 0 && sum > limit ? files.map((file) => file.id) : []
}

/** Into how many messages an answer falls apart on a channel where a message is a text or one file. */
export const partCount = (text: string, files: number, onePart: boolean): number =>
  onePart && files > 0 ? (text.trim() ? 1 : 0) + files : 1
