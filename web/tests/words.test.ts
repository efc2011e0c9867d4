import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import en from '@/i18n/en'
import zh from '@/i18n/zh-CN'

const SOURCE = join(__dirname, '../src')

function flat(table: object, prefix = ''): Map<string, string> {
  const entries = Object.entries(table).flatMap(([key, value]): [string, string][] =>
    typeof value === 'string' ? [[prefix + key, value]] : [...flat(value as object, `${prefix}${key}.`)],
  )
  return new Map(entries)
}
const english = flat(en)
const chinese = flat(zh)

function usedKeys(): Set<string> {
  const files = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' }).filter((name) => /\.(vue|ts)$/.test(name))
  const text = files.map((name) => readFileSync(join(SOURCE, name), 'utf8')).join('\n')
  return new Set([...text.matchAll(/\bt\(\s*'([a-zA-Z_.-]+)'/g)].map((hit) => hit[1]!))
}

describe('the words of both languages', () => {
  it('are the same set', () => expect([...chinese.keys()].sort()).toEqual([...english.keys()].sort()))
  it('hold every key that the pages ask for', () => expect([...usedKeys()].filter((key) => !english.has(key))).toEqual([]))
  it('fill in the same values', () => {
    const holes = (text: string): string[] => [...new Set([...text.matchAll(/\{(\w+)\}/g)].map((hit) => hit[1]!))].sort()
    const unlike = [...english].filter(([key, text]) => holes(text).join() !== holes(chinese.get(key)!).join()).map(([key]) => key)
    expect(unlike).toEqual([])
  })
  it('offer the same plural forms', () => {
    const forms = (text: string): number => text.split('|').length
    expect([...english].filter(([key, text]) => forms(text) !== forms(chinese.get(key)!)).map(([key]) => key)).toEqual([])
  })
})
