import { describe, expect, it } from 'vitest'
import type { JsonSchema } from '@/api/types'
import { keyFor, moved } from '@/lib/formFields'
import { defaultValues, entryName, entrySpec, fieldSpecs, isShown, readPresets, sections, submittedValues, withPreset } from '@/lib/schemaForm'

const schema: JsonSchema = {
  $defs: { Server: { type: 'object', title: 'Server', properties: { host: { type: 'string' }, port: { type: 'integer', default: 993 } } } },
  properties: {
    provider: { type: 'string', enum: ['custom', 'known'], default: 'custom', title: 'Provider', title_zh: '服务商', group: 'mailbox', presets: { known: { 'imap.host': 'imap.example.com' } } },
    password: { type: 'string', format: 'password', writeOnly: true, group: 'mailbox' },
    limit: { anyOf: [{ type: 'integer', minimum: 1 }, { type: 'null' }], default: null, advanced: true, group: 'mailbox' },
    folders: { type: 'array', items: { type: 'string' }, default: ['INBOX'] },
    imap: { $ref: '#/$defs/Server' },
    fields: { type: 'array', widget: 'form-fields', items: { type: 'object' } },
  },
  required: ['password'],
}
const specs = fieldSpecs(schema)
const spec = (id: string) => specs.find((one) => one.id === id)!

describe('a form from a schema', () => {
  it('finds the right input for every field', () => {
    expect(specs.map((one) => [one.id, one.kind])).toEqual([
      ['provider', 'select'],
      ['password', 'password'],
      ['limit', 'number'],
      ['folders', 'list'],
      ['imap.host', 'text'],
      ['imap.port', 'number'],
      ['fields', 'form-fields'],
    ])
    expect(spec('password').required).toBe(true)
    expect(spec('limit')).toMatchObject({ nullable: true, integer: true, minimum: 1 })
    expect(spec('provider').title_zh).toBe('服务商')
  })
  it('keeps sections and folds what is advanced', () => {
    const mailbox = sections(specs).find((part) => part.group === 'mailbox')!
    expect(mailbox.plain.map((one) => one.id)).toEqual(['provider', 'password'])
    expect(mailbox.advanced.map((one) => one.id)).toEqual(['limit'])
  })
  it('starts with the defaults, each form with its own', () => {
    const first = defaultValues(specs)
    ;(first.folders as string[]).push('Archive')
    expect(defaultValues(specs)).toEqual({ provider: 'custom', limit: null, folders: ['INBOX'], imap: { port: 993 } })
  })
  it('leaves out secrets that were not touched, and sends those that were', () => {
    expect(submittedValues(specs, { password: { set: true }, provider: 'known' })).toEqual({ provider: 'known' })
    expect(submittedValues(specs, { password: '' })).toEqual({})
    expect(submittedValues(specs, { password: { set: false } })).toEqual({ password: { set: false } })
    expect(submittedValues(specs, { password: 'new', limit: '' })).toEqual({ password: 'new', limit: null })
  })
  it('reads presets as a table and as a list', () => {
    expect(readPresets(schema.properties!.provider!.presets)).toEqual([{ key: 'known', label: { en: 'known', zh: 'known' }, values: { 'imap.host': 'imap.example.com' } }])
    expect(readPresets([{ key: 'a', label: 'A', label_zh: '甲', values: { host: 'h' } }])).toEqual([{ key: 'a', label: { en: 'A', zh: '甲' }, values: { host: 'h' } }])
    expect(readPresets(undefined)).toEqual([])
  })
  it('fills in what a choice brings, and takes it back unless it was changed', () => {
    const big = { key: 'big', label: { en: '', zh: '' }, values: { limit: 5, 'imap.port': 1993 } }
    const small = { key: 'small', label: { en: '', zh: '' }, values: { 'imap.port': 2993 } }
    const first = withPreset(specs, defaultValues(specs), undefined, big)
    expect(first).toMatchObject({ limit: 5, imap: { port: 1993 } })
    expect(withPreset(specs, first, big, small)).toMatchObject({ limit: null, imap: { port: 2993 } })
    expect(withPreset(specs, { ...first, limit: 7 }, big, undefined)).toMatchObject({ limit: 7, imap: { port: 993 } })
  })
  it('shows a field only where it matters', () => {
    const [token] = fieldSpecs({ properties: { token: { type: 'string', shown_if: { auth: 'oauth2' } } } })
    expect(isShown(token!, { auth: 'oauth2' })).toBe(true)
    expect(isShown(token!, { auth: 'password' })).toBe(false)
  })
})

describe('a list of entries with fields of their own', () => {
  const [list] = fieldSpecs({
    $defs: {
      Blank: { type: 'object', properties: { key: { type: 'string' } }, required: ['key'] },
      Prepared: { type: 'object', properties: { name: { type: 'string', maxLength: 100 }, kind: { type: 'string', enum: ['news', 'menu'] }, blanks: { type: 'array', items: { $ref: '#/$defs/Blank' }, default: [] } }, required: ['name'] },
    },
    properties: { prepared: { type: 'array', items: { $ref: '#/$defs/Prepared' }, maxItems: 9, default: [] } },
  })
  it('knows its inputs, and those of lists inside', () => {
    expect(list).toMatchObject({ kind: 'objects', maxItems: 9 })
    expect(list!.fields.map((one) => [one.id, one.kind, one.required])).toEqual([['name', 'text', true], ['kind', 'select', false], ['blanks', 'objects', false]])
    expect(list!.fields[2]!.fields.map((one) => one.id)).toEqual(['key'])
  })
  it('names an entry’s inputs as the server names its faults', () => {
    const blanks = entrySpec(list!.fields[2]!, list!, 3)
    expect(blanks.id).toBe('prepared.3.blanks')
    expect(entrySpec(blanks.fields[0]!, blanks, 0).id).toBe('prepared.3.blanks.0.key')
  })
  it('gives a long text its lines', () => {
    const kinds = fieldSpecs({ properties: { body: { type: 'string', maxLength: 2000 }, url: { type: 'string', maxLength: 1000 } } }).map((one) => one.kind)
    expect(kinds).toEqual(['textarea', 'text'])
  })
  it('calls an entry by what it is called', () => {
    expect(entryName({ id: 'x', name: ' Shipped ' })).toBe('Shipped')
    expect(entryName({ key: 'thing1' })).toBe('thing1')
    expect(entryName(undefined)).toBe('')
  })
})

describe('the editor of form fields', () => {
  it('makes keys from labels', () => {
    expect(keyFor('Order number', [])).toBe('order_number')
    expect(keyFor('订单号', ['field'])).toBe('field_2')
    expect(keyFor('2nd Émail', ['nd_email'])).toBe('nd_e_mail')
  })
  it('reorders within bounds', () => {
    expect(moved(['a', 'b', 'c'], 2, 0)).toEqual(['c', 'a', 'b'])
    expect(moved(['a', 'b'], 0, -1)).toEqual(['a', 'b'])
  })
})
