/** The questions of a web form as its admin edits them. */
export interface FormField {
  key: string
  label: string
  label_zh?: string
  type: string
  required: boolean
  options: string[]
  options_zh?: string[]
  placeholder: string
  placeholder_zh?: string
  help: string
  help_zh?: string
  role?: string
  max_length?: number | null
}

export const FIELD_TYPES = [
  'text',
  'textarea',
  'email',
  'tel',
  'number',
  'select',
  'radio',
  'checkbox',
  'checkboxes',
  'date',
  'file',
  'hidden',
] as const

export const FIELD_ROLES = ['', 'name', 'email', 'phone', 'subject', 'message'] as const

export const hasOptions = (type: string): boolean => ['select', 'radio', 'checkboxes'].includes(type)

/** A key from the label: small letters, digits and _, unlike all that are taken. */
export function keyFor(label: string, taken: readonly string[]): string {
  const letters = label.normalize('NFKD').toLowerCase().replace(/[^a-z0-9]+/g, '_').replace(/^[^a-z]+|_+$/g, '')
  const base = letters.slice(0, 36) || 'field'
  if (!taken.includes(base)) return base
  let number = 2
  while (taken.includes(`${base}_${number}`)) number += 1
  return `${base}_${number}`
}

export const newField = (taken: readonly string[]): FormField => ({
  key: keyFor('', taken),
  label: '',
  label_zh: '',
  type: 'text',
  required: false,
  options: [],
  options_zh: [],
  placeholder: '',
  placeholder_zh: '',
  help: '',
  help_zh: '',
  role: '',
})

export function moved<T>(list: readonly T[], from: number, to: number): T[] {
  if (to < 0 || to >= list.length) return [...list]
  const next = [...list]
  next.splice(to, 0, ...next.splice(from, 1))
  return next
}
