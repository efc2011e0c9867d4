import type { Capabilities } from '@/api'

export function can(capabilities: Capabilities | undefined, what: string): boolean {
  if (!capabilities) return false
  return Array.isArray(capabilities) ? capabilities.includes(what) : Boolean(capabilities[what])
}
