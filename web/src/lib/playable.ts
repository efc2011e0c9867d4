import type { Attachment } from '@/api'

/** What every browser can draw safely from an img; SVG and the rest are only offered for download. */
const DRAWABLE = /^image\/(png|jpe?g|gif|webp|avif|bmp)$/

export type Shown = 'fetching' | 'lost' | 'image' | 'audio' | 'video' | 'voice' | 'file'

const bare = (contentType: string): string => contentType.split(';', 1)[0]!.trim().toLowerCase()

/** By what the browser says it can play; `probe` answers as HTMLMediaElement.canPlayType does. */
export function shownAs(file: Attachment, probe: (kind: 'audio' | 'video', type: string) => string): Shown {
  if (file.state === 'fetching' || file.state === 'lost') return file.state
  const type = bare(file.content_type)
  if (DRAWABLE.test(type)) return 'image'
  const voice = file.label === 'voice'
  if (type.startsWith('audio/') || (voice && !type.startsWith('video/'))) {
    if (type.startsWith('audio/') && probe('audio', type) !== '') return 'audio'
    return voice || type.startsWith('audio/') ? 'voice' : 'file'
  }
  if (type.startsWith('video/') && probe('video', type) !== '') return 'video'
  return 'file'
}

/** What this browser can play. */
export function canPlay(kind: 'audio' | 'video', type: string): string {
  return document.createElement(kind).canPlayType?.(type) ?? ''
}
