import { CALL_OUTCOMES, type CallFilters } from '@/api/types'

/** The log's filters as they stand in the page's address; days are local. */
export interface LogFilters {
  direction: string
  outcome: string
  account: string
  extension: string
  number: string
  from: string
  until: string
}

export const NO_FILTERS: LogFilters = { direction: '', outcome: '', account: '', extension: '', number: '', from: '', until: '' }
export const DIRECTIONS: readonly string[] = ['in', 'out']
/** Fewer digits fit too many numbers. */
export const FEWEST_DIGITS = 4

const isDay = (text: string): boolean => /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text))
const TAKES: Partial<Record<keyof LogFilters, (text: string) => boolean>> = {
  direction: (text) => DIRECTIONS.includes(text),
  outcome: (text) => (CALL_OUTCOMES as readonly string[]).includes(text),
  from: isDay,
  until: isDay,
}

export function filtersOf(query: Record<string, unknown>): LogFilters {
  const read = (name: keyof LogFilters): string => {
    const given = query[name]
    return typeof given === 'string' && (TAKES[name]?.(given) ?? true) ? given : ''
  }
  return Object.fromEntries(Object.keys(NO_FILTERS).map((name) => [name, read(name as keyof LogFilters)])) as unknown as LogFilters
}

export const filterCount = (filters: LogFilters): number => Object.values(filters).filter(Boolean).length

/** "+49 30 12-34" → "+49301234" as the server compares it; empty where it is too little to search by. */
export function searchedNumber(text: string): string {
  const tidy = text.trim().replace(/[^\d+]/g, '').replace(/(?!^)\+/g, '')
  return tidy.replace('+', '').length >= FEWEST_DIGITS ? tidy : ''
}

function startOf(day: string, later = 0): string {
  const [year, month, date] = day.split('-').map(Number) as [number, number, number]
  return new Date(year, month - 1, date + later).toISOString()
}

/** `until` takes the whole of its day in. */
export function asQuery(filters: LogFilters): CallFilters {
  return {
    direction: filters.direction,
    outcome: filters.outcome,
    account_id: filters.account,
    extension: filters.extension,
    number: searchedNumber(filters.number),
    since: filters.from && startOf(filters.from),
    until: filters.until && startOf(filters.until, 1),
  }
}
