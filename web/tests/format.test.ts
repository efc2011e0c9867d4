import { describe, expect, it } from 'vitest'
import { dayLabel, duration, fileSize, handleValue, initials, relativeTime } from '@/lib/format'
import { snoozePresets } from '@/lib/snooze'

const NOW = Date.parse('2026-03-10T12:00:00Z')
const ago = (minutes: number): string => new Date(NOW - minutes * 60_000).toISOString()

describe('times', () => {
  it.each([
    [0.5, 'en', 'now'],
    [5, 'en', '5 min. ago'],
    [180, 'en', '3 hr. ago'],
    [5, 'zh-CN', '5分钟前'],
    [3 * 1440, 'zh-CN', '3天前'],
    [-120, 'en', 'in 2 hr.'],
  ])('%s minutes ago in %s', (minutes, locale, expected) => {
    expect(relativeTime(ago(minutes), NOW, locale, 'now')).toBe(expected)
  })
  it('turns into a date after a week, with the year where it differs', () => {
    expect(relativeTime(ago(30 * 1440), NOW, 'en', 'now')).toBe('Feb 8')
    expect(relativeTime(ago(300 * 1440), NOW, 'en', 'now')).toBe('May 14, 2025')
  })
  it('says nothing for nonsense', () => expect(relativeTime('never', NOW, 'en', 'now')).toBe(''))
  it('names days', () => {
    expect(dayLabel(ago(0), NOW, 'en')).toBe('Today')
    expect(dayLabel(ago(1440), NOW, 'zh-CN')).toBe('昨天')
    expect(dayLabel(ago(5 * 1440), NOW, 'en')).toBe('Thursday, March 5')
  })
  it('measures', () => {
    expect(duration(90, 'en')).toBe('2 min')
    expect(duration(7200, 'zh-CN')).toBe('2小时')
  })
})

describe('words about things', () => {
  it('sizes', () => {
    expect(fileSize(0, 'en')).toBe('0B')
    expect(fileSize(1536, 'en')).toBe('1.5kB')
    expect(fileSize(26_214_400, 'en')).toBe('25MB')
  })
  it('initials', () => {
    expect(initials('Anna Kowalska')).toBe('AK')
    expect(initials('王小明')).toBe('王')
    expect(initials('j.doe@example.net')).toBe('JD')
    expect(initials('')).toBe('?')
  })
  it('handles', () => expect(handleValue('wechat:wx1:openid9')).toBe('openid9'))
})

describe('snoozing', () => {
  it('goes to the mornings, and from a Monday to the next one', () => {
    const monday = new Date(2026, 2, 9, 15, 0)
    const presets = Object.fromEntries(snoozePresets(monday).map((preset) => [preset.key, preset.until]))
    expect(presets.tomorrow).toEqual(new Date(2026, 2, 10, 9))
    expect(presets.nextWeek).toEqual(new Date(2026, 2, 16, 9))
    expect(presets.laterToday).toEqual(new Date(2026, 2, 9, 18))
  })
})
