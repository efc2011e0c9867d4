import type { Identity } from '@/api'

/** Kinds of keys under which a provider vouches that several handles are one person's. */
const UNIONS: Record<string, string> = { 'wechat-union': 'wechat', 'dingtalk-union': 'dingtalk' }

export const handleKind = (key: string): string => key.split(':', 1)[0] ?? ''
export const isUnion = (key: string): boolean => handleKind(key) in UNIONS
export const iconOfHandle = (key: string, channel = ''): string => UNIONS[handleKind(key)] ?? (channel || handleKind(key))

/** Union ids come last: they prove something, but nobody is reached by them. */
export const inReadingOrder = (identities: readonly Identity[]): Identity[] =>
  [...identities].sort((a, b) => Number(isUnion(a.key)) - Number(isUnion(b.key)))
