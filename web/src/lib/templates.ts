import type { ReplyTemplate, UsedTemplate } from '@/api'

export interface Part {
  text: string
  blank: boolean
  filled: boolean
}

/** A template as the customer will read it, blank by blank; an empty one shows what belongs there. */
export function filledParts(template: ReplyTemplate, values: Record<string, string>): Part[] {
  const labels = new Map(template.fields.map((field) => [field.key, field.label || field.key]))
  return template.text
    .split(/(\{[^{}]+\})/)
    .filter((piece) => piece !== '')
    .map((piece) => {
      const key = piece.startsWith('{') ? piece.slice(1, -1) : ''
      const label = labels.get(key)
      if (label === undefined) return { text: piece, blank: false, filled: true }
      const value = (values[key] ?? '').trim()
      return { text: value || label, blank: true, filled: value !== '' }
    })
}

/** Every blank has something in it. */
export function isFilled(used: UsedTemplate | null, templates: readonly ReplyTemplate[]): boolean {
  const template = templates.find((one) => one.id === used?.id)
  return Boolean(used && template?.fields.every((field) => (used.values[field.key] ?? '').trim() !== ''))
}
