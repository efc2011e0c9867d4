import { createPinia } from 'pinia'
import { createApp } from 'vue'
import 'element-plus/es/components/base/style/css'
import 'element-plus/theme-chalk/dark/css-vars.css'
import './styles/tokens.css'
import './styles/base.css'
import App from './App.vue'
import { i18n, setLocale } from './i18n'
import { createAppRouter } from './router'
import { usePrefs } from './stores/prefs'

const app = createApp(App)
app.use(createPinia())
await setLocale(usePrefs().locale)
app.use(i18n)
app.use(createAppRouter())
app.mount('#app')
