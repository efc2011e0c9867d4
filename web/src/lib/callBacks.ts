import type { CallBack } from '@/api/types'

export const isOverdue = (one: CallBack, now: number): boolean => one.state === 'open' && Date.parse(one.due) <= now

/** Who has to be called back first comes first; of the done ones the latest. */
export const inOrder = (list: readonly CallBack[], state: CallBack['state']): CallBack[] =>
  [...list].sort((a, b) => (state === 'open' ? Date.parse(a.due) - Date.parse(b.due) : Date.parse(b.done_at ?? b.last_at) - Date.parse(a.done_at ?? a.last_at)))
