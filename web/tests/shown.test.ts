import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Attachment } from '@/api/types'
import { findingKey } from '@/lib/findings'
import { handleValue } from '@/lib/format'
import { hasGlyph } from '@/lib/glyphs'
import { iconOfHandle, inReadingOrder, isUnion } from '@/lib/handles'
import { noticeDetail, noticeKey, speaksForItself } from '@/lib/notices'
import { beyondPlace, coordinates, mapUrl, placeOf } from '@/lib/place'
import { shownAs } from '@/lib/playable'

const file = (changes: Partial<Attachment>): Attachment => ({ id: 'F', filename: 'f', content_type: '', size: 1, inline: false, content_id: '', label: '', ...changes })
const chromium = (_kind: string, type: string): string => (['audio/mpeg', 'audio/ogg', 'video/mp4'].includes(type) ? 'maybe' : '')

describe('how a file is shown', () => {
  it.each([
    [{ content_type: 'image/jpeg' }, 'image'],
    [{ content_type: 'image/svg+xml' }, 'file'],
    [{ content_type: 'audio/ogg; codecs=opus', label: 'voice' }, 'audio'],
    [{ content_type: 'audio/amr', label: 'voice' }, 'voice'],
    [{ content_type: 'application/octet-stream', label: 'voice' }, 'voice'],
    [{ content_type: 'video/mp4' }, 'video'],
    [{ content_type: 'video/x-msvideo' }, 'file'],
    [{ content_type: 'application/pdf' }, 'file'],
    [{ content_type: 'image/jpeg', state: 'fetching' }, 'fetching'],
    [{ content_type: 'audio/amr', state: 'lost', label: 'voice' }, 'lost'],
    [{ content_type: 'image/png', state: 'ready' }, 'image'],
  ] as const)('%j as %s', (given, shown) => expect(shownAs(file(given), chromium)).toBe(shown))
})

describe('a place', () => {
  it('is read from numbers and from digits, and from nothing else', () => {
    expect(placeOf({ latitude: '31.2304', longitude: '121.4737', label: ' The Bund ' })).toEqual({ latitude: 31.2304, longitude: 121.4737, label: 'The Bund', address: '' })
    expect(placeOf({ latitude: 0, longitude: 0 })).toMatchObject({ latitude: 0 })
    for (const wrong of [null, 'x', {}, { latitude: 'x', longitude: 1 }, { latitude: 91, longitude: 1 }, { latitude: '', longitude: '' }, { latitude: 1, longitude: Infinity }]) expect(placeOf(wrong)).toBeNull()
  })
  it('says again only what its card does not', () => {
    const place = placeOf({ latitude: 48.8584, longitude: 2.2945, label: 'Eiffel Tower' })!
    expect(beyondPlace('Location: 48.858400, 2.294500\nhttps://www.openstreetmap.org/?mlat=48.858400&mlon=2.294500', place)).toBe('')
    expect(beyondPlace('Eiffel Tower\n48.8584, 2.2945', place)).toBe('')
    expect(beyondPlace('[location]\nEiffel Tower\n5 avenue\n48.8584, 2.2945', place)).toBe('5 avenue')
    expect(beyondPlace('Café Odéon, Paris: 48.858400, 2.294500', place)).toBe('Café Odéon, Paris')
    expect(coordinates(place)).toBe('48.85840, 2.29450')
    expect(mapUrl(place)).toBe('https://www.openstreetmap.org/?mlat=48.8584&mlon=2.2945#map=16/48.8584/2.2945')
  })
})

describe('a notice', () => {
  it('goes by one code, whatever the channel calls it', () => {
    expect(noticeKey('subscribe')).toBe('followed')
    expect(noticeKey(' Enter-Session ')).toBe('entered')
    expect(noticeKey(undefined)).toBe('')
  })
  it('keeps what was named', () => {
    expect(noticeDetail('menu_clicked', 'Pressed the menu item: ORDER')).toBe('ORDER')
    expect(noticeDetail('menu_clicked', 'Pressed the menu “Opening hours”')).toBe('Opening hours')
    expect(noticeDetail('followed', 'Followed the account')).toBe('')
    expect(noticeDetail('overheard', 'lunch at 12: pizza?')).toBe('lunch at 12: pizza?')
  })
  it('speaks for itself in English only, and never for what was overheard', () => {
    expect(speaksForItself('followed', 'Followed the account', 'en')).toBe(true)
    expect(speaksForItself('followed', 'Followed the account', 'zh-CN')).toBe(false)
    expect(speaksForItself('overheard', 'lunch?', 'en')).toBe(false)
  })
})

describe('the name of a check', () => {
  it.each([
    ['imap_tcp', 'imap_tcp', ''],
    ['AppID and AppSecret', 'appid_and_appsecret', ''],
    ['Webhook of number +12025550143', 'webhook_of_number', '+12025550143'],
    ['售后服务 (wkDemo1)', '', '(wkDemo1)'],
  ])('%s', (name, key, about) => expect(findingKey(name)).toEqual({ key, about }))
})

describe('handles', () => {
  it('read as people write them', () => {
    expect(handleValue('wechat:wx1:o%3Aabc')).toBe('o:abc')
    expect(handleValue('email:100%25@x.test')).toBe('100%25@x.test')
  })
  it('put what only proves something last', () => {
    const identity = (key: string, channel: string) => ({ key, channel, name: '', claims: [], evidence: '' })
    const list = [identity('wechat-union:u', 'wechat-union'), identity('wechat:a:o', 'wechat')]
    expect(inReadingOrder(list).map((one) => isUnion(one.key))).toEqual([false, true])
    expect(iconOfHandle('wechat-union:u', 'wechat-union')).toBe('wechat')
    expect(iconOfHandle('phone:+86', '')).toBe('phone')
  })
})

describe('icons', () => {
  const folder = join(__dirname, '../../omnihub/connectors')
  const named = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap((entry) => {
      try {
        return [/^icon = "([^"]+)"/m.exec(readFileSync(join(folder, entry.name, 'manifest.toml'), 'utf8'))?.[1] ?? '']
      } catch {
        return []
      }
    })
  it('are there for every channel that has one', () => {
    expect(named.length).toBeGreaterThan(1)
    expect(named.filter((icon) => icon && !hasGlyph(icon))).toEqual([])
    expect(['phone', 'wechat-mini', 'wecom-kf'].every(hasGlyph)).toBe(true)
    expect(hasGlyph('carrier-pigeon')).toBe(false)
  })
})
