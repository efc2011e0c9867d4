import type { JsonSchema } from '@/api'

export type FieldKind = 'text' | 'textarea' | 'password' | 'number' | 'boolean' | 'select' | 'list' | 'choices' | 'objects' | 'form-fields' | 'color' | 'json'

/** One input of a settings form. `path` leads to its value; `group` is the section it stands in. */
export interface FieldSpec {
  path: string[]
  id: string
  kind: FieldKind
  title: string
  title_zh: string
  description: string
  description_zh: string
  group: string
  advanced: boolean
  required: boolean
  integer: boolean
  nullable: boolean
  options: unknown[]
  optionLabels: Record<string, { en: string; zh: string }>
  fallback: unknown
  minimum?: number
  maximum?: number
  maxLength?: number
  maxItems?: number
  /** The inputs of one entry, where the value is a list of objects. */
  fields: FieldSpec[]
  presets: Preset[]
  /** Values that other fields must have for this one to matter. */
  shownIf: Record<string, unknown>
  placeholder: string
}

/** Ready values for several fields at once, such as a mail provider's servers. */
export interface Preset {
  key: string
  label: { en: string; zh: string }
  values: Record<string, unknown>
}

export type Values = Record<string, unknown>

function resolve(schema: JsonSchema, root: JsonSchema): { schema: JsonSchema; nullable: boolean } {
  if (schema.$ref) {
    const name = schema.$ref.split('/').pop() ?? ''
    const { $ref: _ref, ...own } = schema
    return resolve({ ...(root.$defs?.[name] ?? {}), ...own }, root)
  }
  const variants = schema.anyOf ?? schema.oneOf
  if (variants) {
    const { anyOf: _any, oneOf: _one, ...own } = schema
    const real = variants.filter((variant) => variant.type !== 'null')
    const inner = resolve(real[0] ?? {}, root)
    return { schema: { ...inner.schema, ...own }, nullable: inner.nullable || real.length < variants.length }
  }
  if (schema.allOf?.length === 1) {
    const { allOf, ...own } = schema
    return resolve({ ...allOf[0], ...own }, root)
  }
  return { schema, nullable: false }
}

/** Whoever allows so much text expects lines of it. */
const LONG_TEXT = 2000

function kindOf(schema: JsonSchema, root: JsonSchema): FieldKind {
  if (schema.widget === 'form-fields' || schema.widget === 'color') return schema.widget
  if (schema.format === 'password' || schema.writeOnly) return 'password'
  if (schema.enum) return 'select'
  if (schema.type === 'boolean') return 'boolean'
  if (schema.type === 'integer' || schema.type === 'number') return 'number'
  if (schema.type === 'array') {
    const items = resolve(schema.items ?? {}, root).schema
    if (items.enum) return 'choices'
    if (items.type === 'object' && items.properties) return 'objects'
    return items.type === undefined || items.type === 'string' ? 'list' : 'json'
  }
  if (schema.type === 'object') return 'json'
  const long = (schema.maxLength ?? 0) >= LONG_TEXT
  return long || schema.widget === 'textarea' || schema.format === 'textarea' ? 'textarea' : 'text'
}

const words = (value: unknown, fallback: string): { en: string; zh: string } => {
  if (typeof value === 'string') return { en: value, zh: value }
  const given = (value ?? {}) as Partial<Record<'en' | 'zh', string>>
  return { en: given.en ?? fallback, zh: given.zh ?? given.en ?? fallback }
}

/** Presets come as a table by key or as a list; their values under `values`, `settings` or directly. */
export function readPresets(given: unknown): Preset[] {
  if (!given || typeof given !== 'object') return []
  const entries: [string, Record<string, unknown>][] = Array.isArray(given)
    ? given.map((entry: Record<string, unknown>) => [String(entry.key ?? entry.name ?? ''), entry])
    : Object.entries(given as Record<string, Record<string, unknown>>)
  return entries.map(([key, entry]) => {
    const { label, label_zh, title, title_zh, key: _key, name: _name, values, settings, ...direct } = entry
    const named = words(label ?? title, key)
    const zh = (label_zh ?? title_zh) as string | undefined
    return { key, label: zh ? { ...named, zh } : named, values: (values ?? settings ?? direct) as Record<string, unknown> }
  })
}

export function fieldSpecs(root: JsonSchema): FieldSpec[] {
  return walk(root, root, [], '', false)
}

function walk(schema: JsonSchema, root: JsonSchema, path: string[], group: string, advanced: boolean): FieldSpec[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, given]) => {
    const { schema: field, nullable } = resolve(given, root)
    const here = [...path, name]
    const section = field.group ?? group
    const folded = advanced || field.advanced === true
    if (field.type === 'object' && field.properties && !field.widget) {
      return walk(field, root, here, field.group ?? field.title ?? name, folded)
    }
    return [specOf(name, field, root, here, section, folded, nullable, (schema.required ?? []).includes(name))]
  })
}

function specOf(
  name: string,
  field: JsonSchema,
  root: JsonSchema,
  path: string[],
  group: string,
  advanced: boolean,
  nullable: boolean,
  required: boolean,
): FieldSpec {
  const title = field.title ?? name.replaceAll('_', ' ')
  const items = field.items ? resolve(field.items, root).schema : undefined
  return {
    path,
    id: path.join('.'),
    kind: kindOf(field, root),
    title,
    title_zh: field.title_zh ?? title,
    description: field.description ?? '',
    description_zh: field.description_zh ?? field.description ?? '',
    group,
    advanced,
    required,
    nullable,
    integer: field.type === 'integer',
    options: field.enum ?? items?.enum ?? [],
    optionLabels: field.enum_labels ?? {},
    fallback: field.default,
    minimum: field.minimum,
    maximum: field.maximum,
    maxLength: field.maxLength,
    maxItems: field.maxItems,
    fields: items?.properties && !field.widget ? walk(items, root, [], '', false) : [],
    presets: readPresets(field.presets),
    shownIf: field.shown_if ?? {},
    placeholder: typeof field.examples?.[0] === 'string' ? field.examples[0] : '',
  }
}

export const isShown = (spec: FieldSpec, values: Values): boolean =>
  Object.entries(spec.shownIf).every(([name, wanted]) => readPath(values, name.split('.')) === wanted)

export const readPath = (values: Values, path: readonly string[]): unknown =>
  path.reduce<unknown>((value, name) => (value as Values | undefined)?.[name], values)

export function writePath(values: Values, path: readonly string[], value: unknown): Values {
  const [name, ...rest] = path
  if (name === undefined) return values
  if (rest.length === 0) return { ...values, [name]: value }
  return { ...values, [name]: writePath((values[name] as Values | undefined) ?? {}, rest, value) }
}

/** What the old choice had filled in and nobody changed goes back to its default; the new one fills in its own. */
export function withPreset(specs: readonly FieldSpec[], values: Values, before: Preset | undefined, chosen: Preset | undefined): Values {
  const defaults = defaultValues(specs)
  const left = Object.entries(before?.values ?? {}).filter(([name, given]) => readPath(values, name.split('.')) === given)
  const cleared = left.reduce<Values>((all, [name]) => writePath(all, name.split('.'), readPath(defaults, name.split('.'))), values)
  return Object.entries(chosen?.values ?? {}).reduce<Values>((all, [name, given]) => writePath(all, name.split('.'), given), cleared)
}

/** Schemas are JSON, and may come as reactive proxies that structuredClone refuses. */
const copyOf = (value: unknown): unknown => JSON.parse(JSON.stringify(value)) as unknown

export function defaultValues(specs: readonly FieldSpec[]): Values {
  return specs.reduce<Values>(
    (values, spec) => (spec.fallback === undefined ? values : writePath(values, spec.path, copyOf(spec.fallback))),
    {},
  )
}

/** A secret that the server only tells to be set or not. */
export const isKeptSecret = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && (value as { set?: unknown }).set === true

/** What is sent: secrets left as they were are omitted ({set: false} removes one), and so are inputs left empty where nothing is a valid answer. */
export function submittedValues(specs: readonly FieldSpec[], values: Values): Values {
  return specs.reduce<Values>((sent, spec) => {
    const value = readPath(values, spec.path)
    if (value === undefined) return sent
    if (spec.kind === 'password' && (value === '' || isKeptSecret(value))) return sent
    if (value === '' && spec.nullable) return writePath(sent, spec.path, null)
    if (value === null && !spec.nullable) return sent
    return writePath(sent, spec.path, value)
  }, {})
}

/** An entry's input as a field of the whole form: `templates` and 0 and `text` make `templates.0.text`. */
export const entrySpec = (spec: FieldSpec, list: FieldSpec, index: number): FieldSpec => ({ ...spec, id: `${list.id}.${index}.${spec.id}` })

/** What an entry of a list is called: its name, title or label, else its first words. */
export function entryName(entry: unknown): string {
  const values = (entry ?? {}) as Values
  const named = ['name', 'title', 'label', 'id', 'key'].map((key) => values[key]).find((value) => typeof value === 'string' && value.trim())
  return String(named ?? '').trim()
}

export interface Section {
  group: string
  plain: FieldSpec[]
  advanced: FieldSpec[]
}

export function sections(specs: readonly FieldSpec[]): Section[] {
  const byGroup = new Map<string, Section>()
  for (const spec of specs) {
    const section = byGroup.get(spec.group) ?? { group: spec.group, plain: [], advanced: [] }
    byGroup.set(spec.group, section)
    section[spec.advanced ? 'advanced' : 'plain'].push(spec)
  }
  return [...byGroup.values()]
}
