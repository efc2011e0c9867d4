export interface SnoozePreset {
  key: 'laterToday' | 'tomorrow' | 'inThreeDays' | 'nextWeek'
  until: Date
}

const atHour = (day: Date, hour: number): Date => new Date(new Date(day).setHours(hour, 0, 0, 0))

function inDays(now: Date, days: number): Date {
  const day = new Date(now)
  day.setDate(day.getDate() + days)
  return day
}

/** Mornings are 9 o'clock local time; a week starts on Monday. */
export function snoozePresets(now: Date): SnoozePreset[] {
  const toMonday = ((8 - now.getDay()) % 7) || 7
  const later = new Date(now.getTime() + 3 * 3_600_000)
  return [
    { key: 'laterToday', until: later },
    { key: 'tomorrow', until: atHour(inDays(now, 1), 9) },
    { key: 'inThreeDays', until: atHour(inDays(now, 3), 9) },
    { key: 'nextWeek', until: atHour(inDays(now, toMonday), 9) },
  ]
}
