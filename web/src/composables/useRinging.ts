import { onScopeDispose, watch, type Ref } from 'vue'

const EVERY_MS = 3000
const TONES = [587, 784] as const

/** Two soft tones, again and again while `on`. A browser that nobody has clicked in yet keeps silent. */
export function useRinging(on: Ref<boolean>): void {
  let context: AudioContext | undefined
  let timer: ReturnType<typeof setInterval> | undefined

  function tone(audio: AudioContext, hertz: number, at: number): void {
    const source = audio.createOscillator()
    const volume = audio.createGain()
    source.frequency.value = hertz
    volume.gain.setValueAtTime(0, at)
    volume.gain.linearRampToValueAtTime(0.08, at + 0.03)
    volume.gain.linearRampToValueAtTime(0, at + 0.35)
    source.connect(volume).connect(audio.destination)
    source.start(at)
    source.stop(at + 0.4)
  }

  function ring(): void {
    context ??= new AudioContext()
    const audio = context
    if (audio.state === 'suspended') void audio.resume()
    if (audio.state === 'running') TONES.forEach((hertz, place) => tone(audio, hertz, audio.currentTime + place * 0.4))
  }

  function stop(): void {
    clearInterval(timer)
    timer = undefined
  }

  watch(
    on,
    (now) => {
      stop()
      if (!now || typeof AudioContext === 'undefined') return
      ring()
      timer = setInterval(ring, EVERY_MS)
    },
    { immediate: true },
  )
  onScopeDispose(() => {
    stop()
    void context?.close()
  })
}
