import type { Candidate, NumberOwners } from '@/api/types'
import { isNamed } from './phones'

/** What the pop-up offers about who calls. Nothing of it happens by itself. */
export interface CallerOffer {
  /** The number's contact bears no name yet: it can be given one, or be joined with a known contact. */
  unknown: boolean
  /** Others who are known by this number; all of them are shown. */
  candidates: Candidate[]
}

export function offerFor(owners: NumberOwners | null, name: string, contactId: string, number: string): CallerOffer {
  if (!owners) return { unknown: contactId !== '' && !isNamed(name, number), candidates: [] }
  const own = owners.owner?.id ?? contactId
  const candidates = owners.candidates.filter((one) => one.id !== own)
  return { unknown: !isNamed(owners.owner?.name || name, owners.number), candidates }
}
