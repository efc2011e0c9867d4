import { onBeforeUnmount, onMounted, type Ref } from 'vue'

/** Keeps an element's height in a CSS variable of the page, so that what floats over it can stand aside. */
export function useHeightNote(element: Ref<HTMLElement | undefined>, variable: string): void {
  const { style } = document.documentElement
  const watcher = new ResizeObserver(() => style.setProperty(variable, `${element.value?.offsetHeight ?? 0}px`))
  onMounted(() => element.value && watcher.observe(element.value))
  onBeforeUnmount(() => {
    watcher.disconnect()
    style.removeProperty(variable)
  })
}
